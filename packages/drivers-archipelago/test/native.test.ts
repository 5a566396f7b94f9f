/**
 * The way through koffi, on a stand-in for libxseg that is compiled here: the same functions and layouts, with a thread as mapper and composer. What is
 * shown is that our side of the binding is right: offsets, wake-ups by the FIFO, errors, and that everything is given back.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BlockGraph, type BlockNode, type Host } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { needTool, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import koffi from 'koffi';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { archipelagoDriver } from '../src/index.js';
import { requireRoom } from '../src/native/segment.js';
import { Op } from '../src/protocol.js';

const MIB = 1024 * 1024;
const Fault = { none: 0, failed: 1, short: 2, untold: 3, 'no-dynport': 4, 'no-signals': 5, 'no-room': 6, 'no-taker': 7 } as const;
const needs = skipUnless('cc');
const here = process.platform === 'linux' && process.arch === 'x64';

/** Seconds that go by sooner, and each twice as slowly as the one before: however slow the machine is, an answer is there before patience ends. */
class Seconds {
  /** They go by at once: for what is not waiting for an answer. */
  atOnce = false;
  #pause = 1;
  readonly host: Partial<Host> = {
    timer: (_ms, callback) => {
      this.#pause = Math.min(this.#pause * 2, 4000);
      const timer = setTimeout(callback, this.atOnce ? 0 : this.#pause);
      return () => { clearTimeout(timer); };
    },
  };
}

describe.skipIf(needs.skip || !here)(needs.title('libxseg through koffi'), () => {
  let dir: TempDir;
  let library: string;
  let set: (folder: string, volume: string, size: number) => void;
  let fault: (what: number, op: number) => void;
  let left: () => number;

  const compile = (name: string, ...flags: string[]): string => {
    const path = dir.file(name);
    execFileSync(needTool('cc'), ['-shared', '-fPIC', '-pthread', '-w', ...flags, '-o', path, join(import.meta.dirname, 'stand-in/xseg.c')]);
    return path;
  };

  beforeAll(() => {
    dir = tempDir();
    library = compile('libxseg.so');
    const loaded = koffi.load(library);
    set = loaded.func('void stand_in_set(str folder, str volume, uint64_t size)') as typeof set;
    fault = loaded.func('void stand_in_fault(int what, int op)') as typeof fault;
    left = loaded.func('int stand_in_left()') as typeof left;
  });
  afterAll(() => { dir[Symbol.dispose](); });

  let graph: BlockGraph | undefined;
  const open = (options: Record<string, unknown> = {}, host: Partial<Host> = {}): Promise<BlockNode> => {
    graph = new BlockGraph({ drivers: [archipelagoDriver({ library })], host });
    return graph.open({ driver: 'archipelago', volume: 'disk01', ...options });
  };
  /** Everything was given back: the segment, the port, the FIFO, and each request. */
  const nothingIsLeft = (): void => {
    expect(left()).toBe(0);
    expect(readdirSync(dir.path).filter((name) => /^[0-9a-f]{16}$/.test(name))).toEqual([]);
  };
  afterEach(async () => {
    fault(Fault.none, 0);
    await graph?.close();
    graph = undefined;
    nothingIsLeft();
  });

  it('reads and writes, flushes, resizes, and leaves nothing behind', async () => {
    set(dir.path, 'disk01', 4 * MIB);
    const node = await open();
    expect(node.size).toBe(4 * MIB);
    expect(left()).toBe(1 + 2 + 4);
    const data = prng(1).bytes(3 * MIB);
    await node.write(512, data, 0, data.length);
    await node.flush();
    const into = new Uint8Array(4 * MIB + 7);
    await node.read(0, into, 7, 4 * MIB);
    expectSameBytes(into.subarray(7 + 512, 7 + 512 + data.length), data);
    expectSameBytes(into.subarray(7, 7 + 512), new Uint8Array(512));
    await node.truncate(5 * MIB);
    expect(node.size).toBe(5 * MIB);
    await Promise.all(Array.from({ length: 64 }, async (_, at) => {
      const piece = new Uint8Array(512);
      await node.read(512 + at * 512, piece, 0, 512);
      expectSameBytes(piece, data.subarray(at * 512, at * 512 + 512));
    }));
  });

  it('is one array of bytes over a random history', async () => {
    const size = 2 * MIB;
    set(dir.path, 'disk01', size);
    const node = await open();
    const random = prng(7);
    const model = new Uint8Array(size);
    for (let step = 0; step < 60; step++) {
      const length = 1 + random.below(700_000);
      const offset = random.below(size - length);
      const bytes = random.bytes(length + 3);
      if (random.below(2) === 0) {
        await node.write(offset, bytes, 3, length);
        model.set(bytes.subarray(3), offset);
      } else {
        await node.read(offset, bytes, 3, length);
        expectSameBytes(bytes.subarray(3), model.subarray(offset, offset + length), `step ${step}`);
      }
    }
  });

  it('makes a volume', async () => {
    set(dir.path, 'new001', 0);
    await archipelagoDriver({ library }).createFile?.('archipelago:new001', { size: 3 * MIB }, { host: { timer: () => () => undefined } } as never);
    nothingIsLeft();
    expect((await open({ volume: 'new001' })).size).toBe(3 * MIB);
  });

  it('finds answers whose wake-up got lost, and reports what was not served', async () => {
    set(dir.path, 'disk01', MIB);
    const seconds = new Seconds();
    const node = await open({}, seconds.host);
    fault(Fault.untold, 0);
    await node.read(0, new Uint8Array(512), 0, 512);
    fault(Fault.short, 0);
    await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow('reading 512 bytes at 0 failed: 511 of 512 bytes were served');
    fault(Fault.failed, Op.write);
    await expect(node.write(0, new Uint8Array(512), 0, 512)).rejects.toThrow('writing 512 bytes at 0 failed: it was not served (state 2)');
    fault(Fault['no-taker'], 0);
    await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow("archipelago: segment 'archipelago': port 501 takes no requests");
    fault(Fault['no-room'], 0);
    seconds.atOnce = true;
    await expect(node.read(0, new Uint8Array(512), 0, 512)).rejects.toThrow('the segment had no room for a request within 60 s');
    seconds.atOnce = false;
    fault(Fault.none, 0);
    await node.read(0, new Uint8Array(512), 0, 512);
  });

  it.each([
    ['a segment that is not there', {}, { segment: 'other' }, "archipelago: segment 'other': it cannot be joined; is the cluster running on this machine?"],
    ['no free port', { what: 'no-dynport' }, {}, 'all of its ports are taken'],
    ['no signals', { what: 'no-signals' }, {}, 'no signals can be had at port 1024'],
    ['a volume that is not there', {}, { volume: 'gone01' }, 'asking for the size of the volume failed'],
  ] as const)('%s: refused, with nothing left behind', async (_name, how, options, text) => {
    set(dir.path, 'disk01', MIB);
    if ('what' in how) fault(Fault[how.what], 0);
    await expect(open(options)).rejects.toThrow(text);
    nothingIsLeft();
  });

  it('has one segment at a time', async () => {
    set(dir.path, 'disk01', MIB);
    await open();
    await expect(graph?.open({ driver: 'archipelago', volume: 'disk01', segment: 'other' })).rejects.toThrow("there can only be one segment at a time, and 'archipelago' is in use");
    // The stand-in has one port only; that the segment is not joined again shows in the error.
    await expect(graph?.open({ driver: 'archipelago', volume: 'disk01' })).rejects.toThrow('all of its ports are taken');
  });

  it('refuses another layout before it writes anywhere', async () => {
    const other = compile('libother.so', '-DOTHER_LAYOUT');
    const loaded = koffi.load(other);
    (loaded.func('void stand_in_set(str folder, str volume, uint64_t size)') as typeof set)(dir.path, 'disk01', MIB);
    const strange = new BlockGraph({ drivers: [archipelagoDriver({ library: other })] });
    await expect(strange.open({ driver: 'archipelago', volume: 'disk01' })).rejects.toThrow('archipelago needs libxseg 0.4; the library that was found lays requests out in another way');
    expect((loaded.func('int stand_in_left()') as typeof left)()).toBe(0);
  });

  it('says what is missing', async () => {
    const opening = (name?: string): Promise<BlockNode> => new BlockGraph({ drivers: [archipelagoDriver(name === undefined ? {} : { library: name })] }).open({ driver: 'archipelago', volume: 'v' });
    await expect(opening(dir.file('nothing.so'))).rejects.toThrow('archipelago needs libxseg, and it could not be loaded: ');
    await expect(opening('libc.so.6')).rejects.toThrow('archipelago needs libxseg 0.4; the library that was found is another: ');
    vi.resetModules();
    vi.doMock('koffi', () => { throw new Error('not installed'); });
    const { loadXseg } = await import('../src/native/library.js');
    await expect(loadXseg(library)).rejects.toThrow('archipelago needs libxseg, which is called by the package koffi, and that is not installed');
    vi.doUnmock('koffi');
  });
});

it('looks whether there is room where segments are mapped', () => {
  const line = (from: number, to: number): string => `${from.toString(16).padStart(8, '0')}-${to.toString(16).padStart(8, '0')} rw-p 00000000 00:00 0 \n`;
  const free = line(0x40_0000, 0x37fd_0000) + line(0x37fd_0000 + 4096, 0x7fff_0000) + line(0x7f00_0000_0000, 0x7f00_0000_1000);
  requireRoom('s', 4096, free);
  for (const taken of [line(0x37fc_f000, 0x37fd_1000), line(0x37fd_0000, 0x37fd_1000), line(0x3000_0000, 0x4000_0000)]) {
    expect(() => { requireRoom('s', 4096, free + taken); }).toThrow('this process has other memory where libxseg puts segments');
  }
  expect(() => { requireRoom('s', 4097, free); }).toThrow("archipelago: segment 's'");
});
