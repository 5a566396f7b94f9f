/** What is asked of the peers, what their answers must say, and what becomes of a volume when they fail. */
import { BlockError, openImage } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { describe, expect, it } from 'vitest';
import { archipelagoDriver } from '../src/index.js';
import { Op } from '../src/protocol.js';
import type { OpenTransport } from '../src/transport.js';
import type { Fault, Seen } from './cluster.js';
import { Bench, MIB } from './support.js';

const of = (op: number) => ({ op: seen }: Pick<Seen, 'op'>): boolean => seen === op;

describe('what is asked of the peers', () => {
  it('asks the mapper for the size, and the composer for everything else; closes at the end', async () => {
    const bench = new Bench({ mport: 7, vport: 8, segment: 's' });
    const node = await bench.open({ volume: 'disk01', mport: 7, vport: 8, segment: 's' });
    expect(node.size).toBe(4 * MIB);
    expect(node.filename).toBe('archipelago:disk01/mport=7:vport=8:segment=s');
    await node.write(512, new Uint8Array(1024), 0, 1024);
    await node.read(512, new Uint8Array(512), 0, 512);
    await node.flush();
    await bench.graph.close();
    expect(bench.cluster.seen).toMatchObject([
      { op: Op.info, port: 7, volume: 'disk01', size: 0, length: 8 },
      { op: Op.write, port: 8, volume: 'disk01', offset: 512, size: 1024, length: 1024 },
      { op: Op.read, port: 8, volume: 'disk01', offset: 512, size: 512, length: 512 },
      { op: Op.flush, port: 8, volume: 'disk01', size: 0, length: 0 },
      { op: Op.close, port: 8, volume: 'disk01', size: 0, length: 0 },
    ]);
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: false } }]);
    expect(bench.cluster.lent).toBe(0);
    expect(bench.warnings).toEqual([]);
  });

  it('opens by a name, or by options, and not by both', async () => {
    await using bench = new Bench({ mport: 9 });
    await using named = await openImage('archipelago:disk01/mport=9', { drivers: [archipelagoDriver({ transport: bench.cluster.transport })], format: 'archipelago' });
    expect(named.size).toBe(4 * MIB);
    expect((await bench.open({ filename: 'archipelago:disk01/mport=9' })).size).toBe(4 * MIB);
    await expect(bench.open({ filename: 'archipelago:disk01', mport: 9 })).rejects.toThrow('cannot be used beside a file name');
    await expect(bench.open({})).rejects.toThrow("Parameter 'volume' is missing");
    await expect(bench.open({ volume: 'disk01', segment: 'other' })).rejects.toThrow("there is no segment 'other'");
  });

  it('cuts long requests at 512 KiB, with at most 16 of them under way', async () => {
    const content = prng(1).bytes(16 * MIB);
    await using bench = new Bench({ content, seed: 1 });
    const node = await bench.open();
    bench.cluster.held = true;
    const into = new Uint8Array(12 * MIB + 1024);
    const reading = node.read(512, into, 512, 12 * MIB);
    await bench.until(() => bench.cluster.most === 16);
    bench.cluster.letGo();
    await reading;
    expectSameBytes(into.subarray(512, 512 + 12 * MIB), content.subarray(512, 512 + 12 * MIB));
    const reads = bench.cluster.seen.filter(of(Op.read));
    expect(reads.map(({ offset }) => offset)).toEqual(Array.from({ length: 24 }, (_, piece) => 512 + piece * 512 * 1024));
    expect(new Set(reads.map(({ size }) => size))).toEqual(new Set([512 * 1024]));
    expect(bench.cluster.most).toBe(16);
    const data = prng(2).bytes(3 * MIB);
    await node.write(MIB, data, 0, data.length);
    const all = bench.cluster.volumes.get('disk01')?.toBytes() ?? new Uint8Array();
    expectSameBytes(all.subarray(MIB, 4 * MIB), data);
  });

  it('is read-only where that is asked for', async () => {
    await using bench = new Bench();
    const node = await bench.open({ volume: 'disk01', 'read-only': true });
    expect(node.readOnly).toBe(true);
    expect(['write', 'flush', 'truncate'].filter((verb) => verb in node.driver)).toEqual([]);
  });

  it('makes volumes, in place of none that is there, and removes them', async () => {
    await using bench = new Bench();
    const driver = archipelagoDriver({ transport: bench.cluster.transport });
    const make = (name: string, size: number) => driver.createFile?.(name, { size }, { host: { timer: () => () => undefined }, signal: undefined } as never);
    await make('archipelago:new002', 3 * MIB);
    expect(bench.cluster.volumes.get('new002')?.size).toBe(3 * MIB);
    await expect(make('archipelago:new002', MIB)).rejects.toThrow('archipelago: making the volume failed: it was not served');
    await expect(make('archipelago:new003', 1000)).rejects.toThrow('must be a multiple of 512');
    expect(bench.cluster.volumes.get('new002')?.size).toBe(3 * MIB);
    await driver.removeFile?.('archipelago:new002');
    expect(bench.cluster.volumes.has('new002')).toBe(false);
    expect(bench.cluster.ports.every(({ closed }) => closed !== undefined)).toBe(true);
    expect(bench.cluster.lent).toBe(0);
  });

  it('changes the size, and believes the mapper only', async () => {
    await using bench = new Bench();
    const node = await bench.open();
    await node.truncate(5 * MIB);
    expect([node.size, bench.cluster.volumes.get('disk01')?.size]).toEqual([5 * MIB, 5 * MIB]);
    await expect(node.truncate(5 * MIB + 1)).rejects.toThrow('must be a multiple of 512');
    const real = bench.cluster.serve.bind(bench.cluster);
    bench.cluster.serve = (request, data) => (request.op === Op.truncate ? { state: 1, serviced: 0 } : real(request, data));
    await expect(node.truncate(6 * MIB)).rejects.toThrow(`changing the size to ${6 * MIB} bytes failed: it is ${5 * MIB} afterwards`);
    expect(node.size).toBe(5 * MIB);
  });
});

describe('answers', () => {
  it.each([
    ['failed', 'it was not served (state 3)'],
    ['not-served', 'it was not served (state 0)'],
    ['short', '1048575 of 1048576 bytes were served'],
    ['less-data', 'the answer has'],
  ] as const)('%s: an error, and the volume goes on', async (fault, text) => {
    await using bench = new Bench();
    const node = await bench.open();
    let bad = 1;
    bench.cluster.fault = ({ op, offset }) => ((op === Op.read || op === Op.write) && offset === MIB && bad-- > 0 ? fault : undefined);
    const expected = text.replace('1048575', String(512 * 1024 - 1)).replace('1048576', String(512 * 1024));
    const error = await bench.failure(node.read(0, new Uint8Array(2 * MIB), 0, 2 * MIB));
    expect(error).toMatchObject({ kind: 'io', errno: 'EIO' });
    expect(error.message).toContain(`archipelago: reading 524288 bytes at ${MIB} failed: ${expected}`);
    await node.read(0, new Uint8Array(2 * MIB), 0, 2 * MIB);
    bad = 1;
    if (fault !== 'less-data') await expect(node.write(0, new Uint8Array(2 * MIB), 0, 2 * MIB)).rejects.toThrow(`writing 524288 bytes at ${MIB} failed: ${expected}`);
    await node.write(0, new Uint8Array(2 * MIB), 0, 2 * MIB);
  });

  it('settles a request when all of its pieces have settled', async () => {
    await using bench = new Bench();
    const node = await bench.open();
    bench.cluster.held = true;
    bench.cluster.fault = ({ op, offset }) => (op === Op.read && offset === 0 ? 'failed' : undefined);
    let settled = false;
    const reading = Promise.resolve(node.read(0, new Uint8Array(MIB), 0, MIB)).catch(() => { settled = true; });
    await bench.until(() => bench.cluster.seen.filter(of(Op.read)).length === 2);
    bench.cluster.letGo();
    await reading;
    expect(settled).toBe(true);
    expect(bench.cluster.lent).toBe(0);
  });

  it.each([
    ['no such volume', undefined, 'asking for the size of the volume failed: it was not served (state 2)'],
    ['a size that is no number of sectors', 1000, 'must be a multiple of 512 below 2^53, and is 1000'],
    ['a size beyond all numbers', 2 ** 60, `must be a multiple of 512 below 2^53, and is ${BigInt(2 ** 60)}`],
  ])('%s: refused at open, with nothing left behind', async (_name, size, text) => {
    await using bench = new Bench();
    if (size === undefined) bench.cluster.volumes.clear();
    else bench.cluster.volumes.get('disk01')?.resize(size);
    await expect(bench.open()).rejects.toThrow(text);
    expect(bench.cluster.lent).toBe(0);
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: false } }]);
  });

  it('a flush that fails fails, and a close that fails is told of', async () => {
    const bench = new Bench();
    const node = await bench.open();
    bench.cluster.fault = ({ op }) => (op === Op.flush || op === Op.close ? 'failed' : undefined);
    await node.write(0, new Uint8Array(512), 0, 512);
    await expect(node.flush()).rejects.toThrow('flushing the volume failed');
    bench.cluster.fault = ({ op }) => (op === Op.close ? 'failed' : undefined);
    await bench.graph.close();
    expect(bench.warnings.join()).toContain('archipelago: closing the volume failed: it was not served (state 3)');
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: false } }]);
  });
});

describe('peers that are not heard of', () => {
  it.each(['untold', 'unheard'] as const)('a wake-up that gets lost (%s) costs a second', async (fault) => {
    const content = prng(3).bytes(4 * MIB);
    await using bench = new Bench({ content });
    const node = await bench.open();
    bench.cluster.fault = ({ op }) => (op === Op.read ? fault : undefined);
    const into = new Uint8Array(512);
    let done = false;
    const reading = Promise.resolve(node.read(1024, into, 0, 512)).then(() => { done = true; });
    await bench.pass(0);
    expect(done).toBe(false);
    await bench.pass(2);
    await reading;
    expectSameBytes(into, content.subarray(1024, 1536));
  });

  it('without a mapper nothing is opened', async () => {
    await using bench = new Bench();
    bench.cluster.fault = () => 'gone';
    const error = await bench.failure(bench.open());
    expect(error).toMatchObject({ kind: 'timeout', message: "archipelago: asking for the size of the volume: no answer from the mapper at port 1001 of segment 'archipelago' within 60 s" });
    // The request is still the mapper's, and the port must not become somebody else's.
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: true }, lent: 1 }]);
    expect(bench.clock.pending).toBe(0);
  });

  it('after an answer that did not come everything fails, at once and in order', async () => {
    const bench = new Bench();
    const node = await bench.open();
    bench.cluster.fault = ({ op }) => (op === Op.write ? 'gone' : undefined);
    const text = "archipelago: writing 512 bytes at 0: no answer from the composer at port 501 of segment 'archipelago' within 60 s";
    expect(await bench.failure(node.write(0, new Uint8Array(512), 0, 512))).toMatchObject({ kind: 'timeout', message: text });
    const before = bench.cluster.seen.length;
    await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow(text);
    await expect(node.write(0, new Uint8Array(512), 0, 512)).rejects.toThrow(text);
    await bench.graph.close().catch(() => undefined);
    expect(bench.cluster.seen.length).toBe(before);
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: true } }]);
    expect(bench.clock.pending).toBe(0);
  });

  it('an answer that comes too late touches nothing', async () => {
    const bench = new Bench({ content: new Uint8Array(4 * MIB).fill(7) });
    const node = await bench.open();
    bench.cluster.held = true;
    const into = new Uint8Array(512);
    expect(await bench.failure(node.read(0, into, 0, 512))).toMatchObject({ kind: 'timeout' });
    bench.cluster.letGo();
    await bench.pass(1);
    expect(into).toEqual(new Uint8Array(512));
    expect(bench.cluster.lent).toBe(0);
    await bench.graph.close().catch(() => undefined);
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: false } }]);
  });

  it('waits for room in the segment, and not for ever', async () => {
    await using bench = new Bench();
    const node = await bench.open();
    let full = true;
    bench.cluster.fault = ({ op }) => (full && op === Op.read ? 'no-room' : undefined);
    const reading = node.read(0, new Uint8Array(512), 0, 512);
    await bench.pass(10);
    full = false;
    await bench.pass(1);
    await reading;
    full = true;
    expect(await bench.failure(node.read(0, new Uint8Array(512), 0, 512))).toMatchObject({ kind: 'busy', message: 'archipelago: the segment had no room for a request within 60 s' });
    full = false;
    await node.read(0, new Uint8Array(512), 0, 512);
  });

  it('a port that takes nothing is no reason to wait', async () => {
    await using bench = new Bench();
    const node = await bench.open();
    let refusals = 1;
    bench.cluster.fault = ({ op }) => (op === Op.read && refusals-- > 0 ? 'no-port' : undefined);
    await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow('port 501 takes no requests');
    await node.read(0, new Uint8Array(512), 0, 512);
  });

  it('opening can be called off', async () => {
    await using bench = new Bench();
    const abort = new AbortController();
    bench.cluster.held = true;
    const context = { host: { timer: () => () => undefined }, signal: abort.signal, readOnly: false, warn: () => undefined };
    const opening = archipelagoDriver({ transport: bench.cluster.transport }).open({ volume: 'disk01' }, context as never);
    await bench.until(() => bench.cluster.seen.length === 1);
    abort.abort(new Error('called off'));
    await expect(opening).rejects.toThrow('called off');
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: true } }]);
  });

  it('opening can be called off while the segment is being joined', async () => {
    await using bench = new Bench();
    const abort = new AbortController();
    bench.cluster.held = true;
    const transport: OpenTransport = async (segment, wake) => {
      const joined = await bench.cluster.transport(segment, wake);
      abort.abort(new Error('called off'));
      return joined;
    };
    const context = { host: { timer: () => () => undefined }, signal: abort.signal, readOnly: false, warn: () => undefined };
    await expect(archipelagoDriver({ transport }).open({ volume: 'disk01' }, context as never)).rejects.toThrow('called off');
    expect(bench.cluster.ports).toMatchObject([{ closed: { unanswered: false } }]);
  });
});

describe('random histories with faults', () => {
  const MOST = 3 * 512 * 1024;

  it.each([1, 2, 3, 4, 5, 6])('what succeeds is right, and what fails is an error of its own (seed %i)', async (seed) => {
    const random = prng(seed);
    const size = 4 * MIB;
    const model = random.bytes(size);
    // Where a write failed, anything may be: what was there, what was written, or some of each.
    const sure = new Uint8Array(size).fill(1);
    const bench = new Bench({ content: model, seed });
    const node = await bench.open();
    const faults: readonly Fault[] = ['failed', 'not-served', 'short', 'untold', 'unheard', 'no-port'];
    bench.cluster.fault = ({ op }) => (op !== Op.close && random.below(5) === 0 ? random.pick(faults) : undefined);
    let failed = 0;
    for (let step = 0; step < 40; step++) {
      const length = 512 * (1 + random.below(MOST / 512));
      const offset = 512 * random.below((size - length) / 512 + 1);
      const bytes = random.bytes(length);
      const writing = random.below(2) === 0;
      const error = await bench.failure(writing ? node.write(offset, bytes, 0, length) : node.read(offset, bytes, 0, length));
      if (error.message !== 'it did not fail') {
        expect(error).toBeInstanceOf(BlockError);
        failed++;
        if (writing) sure.fill(0, offset, offset + length);
      } else if (writing) {
        model.set(bytes, offset);
        sure.fill(1, offset, offset + length);
      } else {
        for (let at = 0; at < length; at++) if (sure[offset + at] === 0) bytes[at] = model[offset + at];
        expectSameBytes(bytes, model.subarray(offset, offset + length), `step ${step}`);
      }
    }
    expect(failed).toBeGreaterThan(0);
    expect(failed).toBeLessThan(40);
    const closing = bench.graph.close();
    expect((await bench.failure(closing)).message).toBe('it did not fail');
    expect(bench.cluster.lent).toBe(0);
    expect(bench.clock.pending).toBe(0);
  });
});
