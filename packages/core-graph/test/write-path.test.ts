import { describe, expect, it } from 'vitest';
import { BlockError, WriteFlag, DirtyBitmap, type BlockNode, type GraphEvent } from '../src/index.js';
import { failure, gate, MemFile, noise, sameBytes, setup, turn } from './support.js';

async function open(file: MemFile, more: object = {}): Promise<BlockNode> {
  return setup().graph.open({ ...file.definition, ...more });
}

describe('the plain path', () => {
  it('is taken without a promise, and left while something unusual is configured', async () => {
    const file = new MemFile(8192);
    const node = await open(file);
    const data = noise(512);
    expect(node.write(0, data, 0, 512)).toBeUndefined();
    expect(node.read(0, data, 0, 512)).toBeUndefined();
    const bitmap = new DirtyBitmap('b', 512, node.size);
    node.bitmaps.add(bitmap);
    node.updatePaths();
    expect(node.write(1024, data, 0, 512)).toBeUndefined();
    expect(bitmap.count).toBe(512);
  });

  it('fills with zeroes beyond the end, and refuses writes there unless the image grows', async () => {
    const file = new MemFile(noise(100));
    file.growable = false;
    const node = await open(file);
    const buffer = new Uint8Array(20).fill(7);
    await node.read(90, buffer, 0, 20);
    sameBytes(buffer.subarray(10), new Uint8Array(10));
    await node.read(500, buffer, 0, 20);
    sameBytes(buffer, new Uint8Array(20));
    expect((await failure(() => node.write(90, buffer, 0, 20)))?.kind).toBe('out-of-range');
    expect((await failure(() => node.writeZeroes(90, 20)))?.kind).toBe('out-of-range');
    file.growable = true;
    await node.write(90, noise(20, 2), 0, 20);
    expect(node.size).toBe(110);
    expect(node.highestWrite).toBe(110);
  });

  it('reads into and writes from several buffers', async () => {
    const file = new MemFile(100);
    const node = await open(file);
    await node.writev(5, [Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3)]);
    expect([...file.bytes.subarray(4, 9)]).toEqual([0, 1, 2, 3, 0]);
    const [a, b] = [new Uint8Array(2), new Uint8Array(2)];
    await node.readv(5, [a, b]);
    expect([...a, ...b]).toEqual([1, 2, 3, 0]);
    file.growable = false;
    expect((await failure(() => node.writev(95, [noise(3), noise(3)])))?.kind).toBe('out-of-range');
    expect([...file.bytes.subarray(95)]).toEqual([0, 0, 0, 0, 0]);
    file.before = () => turn();
    await node.writev(50, [noise(7), noise(9, 2)]);
    sameBytes(file.bytes.subarray(50, 66), Uint8Array.of(...noise(7), ...noise(9, 2)));
  });
});

describe('zero writes', () => {
  it('go to the driver with the flags that it knows', async () => {
    const file = new MemFile(8192);
    file.zeroFlags = WriteFlag.MayUnmap;
    const node = await open(file, { discard: 'unmap' });
    await node.writeZeroes(0, 4096, WriteFlag.MayUnmap | WriteFlag.Fua | WriteFlag.NoFallback);
    expect(file.seen[0]).toEqual({ verb: 'zero', offset: 0, length: 4096, flags: WriteFlag.MayUnmap });
    expect(file.log).toEqual(['zero 0+4096', 'flush']);
    const ignoring = await open(file, { discard: 'ignore' });
    await ignoring.writeZeroes(0, 4096, WriteFlag.MayUnmap);
    expect(file.seen[file.seen.length - 1]?.flags).toBe(0);
  });

  it('are written as bytes where the driver has none, or says that it cannot', async () => {
    for (const without of [['writeZeroes'], []]) {
      const file = new MemFile(noise(600_000));
      file.without = without;
      file.before = ({ verb }) => {
        if (verb === 'zero') throw new BlockError('unsupported', 'not here');
      };
      const node = await open(file);
      expect((await failure(() => node.writeZeroes(10, 500_000, WriteFlag.NoFallback)))?.kind).toBe('unsupported');
      sameBytes(file.bytes, noise(600_000));
      await node.writeZeroes(10, 500_000);
      const model = noise(600_000);
      model.fill(0, 10, 500_010);
      sameBytes(file.bytes, model);
    }
  });

  it('fall back when the refusal comes late, and pass other errors on', async () => {
    const file = new MemFile(noise(4096));
    let kind: 'unsupported' | 'io' = 'unsupported';
    file.before = async ({ verb }) => {
      await turn();
      if (verb === 'zero') throw new BlockError(kind, 'late');
    };
    const node = await open(file);
    await node.writeZeroes(0, 100);
    sameBytes(file.bytes.subarray(0, 100), new Uint8Array(100));
    kind = 'io';
    expect((await failure(() => node.writeZeroes(0, 100)))?.kind).toBe('io');
  });

  it('are cut to the largest that the driver takes, misaligned ends written', async () => {
    const file = new MemFile(noise(16_384), { alignment: 512, maxZeroes: 2048 });
    const node = await open(file);
    await node.writeZeroes(700, 5000);
    expect(file.log.filter((line) => line.startsWith('zero'))).toEqual(['zero 1024+2048', 'zero 3072+2048', 'zero 5120+512']);
    const model = noise(16_384);
    model.fill(0, 700, 5700);
    sameBytes(file.bytes, model);
  });
});

describe('zero detection', () => {
  it('turns writes of zeroes into zero writes, and unmaps if told to', async () => {
    const file = new MemFile(noise(8192));
    file.zeroFlags = WriteFlag.MayUnmap;
    const node = await open(file, { 'detect-zeroes': 'on' });
    await node.write(0, new Uint8Array(4096), 0, 4096);
    await node.write(4096, noise(4096), 0, 4096);
    expect(file.seen.map(({ verb, flags }) => `${verb} ${flags}`)).toEqual(['zero 0', 'write 0']);
    const unmapping = await open(file, { 'detect-zeroes': 'unmap', discard: 'unmap' });
    await unmapping.write(0, new Uint8Array(4096), 0, 4096);
    expect(file.seen[2]?.flags).toBe(WriteFlag.MayUnmap);
  });

  it('refuses unmap where discards are not allowed', async () => {
    expect((await failure(() => open(new MemFile(1), { 'detect-zeroes': 'unmap' })))?.message).toBe(
      'setting detect-zeroes to unmap is not allowed without setting discard operation to unmap',
    );
  });
});

describe('force unit access', () => {
  it('is a flush after the write', async () => {
    const file = new MemFile(4096);
    const node = await open(file);
    await node.write(0, noise(10), 0, 10, WriteFlag.Fua);
    expect(file.log).toEqual(['write 0+10', 'flush']);
  });

  it('is the driver\'s own where it can, also of misaligned writes and of zeroes', async () => {
    const file = new MemFile(8192, { alignment: 512, zeroAlignment: 512 });
    file.growable = false;
    [file.writeFlags, file.zeroFlags] = [WriteFlag.Fua, WriteFlag.Fua];
    const node = await open(file);
    await node.write(10, noise(10), 0, 10, WriteFlag.Fua);
    await node.write(512, noise(512), 0, 512, WriteFlag.Fua);
    await node.writeZeroes(100, 2000, WriteFlag.Fua);
    const changes = file.seen.filter(({ verb }) => verb !== 'read');
    expect(changes.map(({ verb, flags }) => [verb, flags])).toEqual([['write', 1], ['write', 1], ['write', 1], ['zero', 1], ['write', 1]]);
    // Some of the zeroes have to be written as bytes.
    file.seen.length = file.writeFlags = 0;
    const lesser = await open(file);
    await lesser.writeZeroes(0, 2000, WriteFlag.Fua);
    expect(file.log.at(-1)).toBe('flush');
    expect(file.seen.every(({ flags }) => flags === 0)).toBe(true);
  });

  it.each([0, WriteFlag.Fua])('is lost where flushes are to be ignored (a driver with the flags %d)', async (flags) => {
    const file = new MemFile(4096);
    [file.writeFlags, file.zeroFlags] = [flags, flags];
    const node = await open(file, { cache: { 'no-flush': true } });
    await node.write(0, noise(10), 0, 10, WriteFlag.Fua);
    await node.writeZeroes(0, 10, WriteFlag.Fua);
    await node.flush();
    expect(file.seen.filter(({ verb }) => verb !== 'read').map(({ flags: given }) => given)).toEqual([0, 0]);
    expect(file.log).not.toContain('flush');
  });
});

describe('flush', () => {
  it('does not count a write that still waited for its turn', async () => {
    const file = new MemFile(4096, { alignment: 512 });
    const node = await open(file);
    await node.write(512, noise(512), 0, 512);
    const held = await node.requests.serialise(0, 512);
    const waiting = node.write(100, noise(10), 0, 10);
    held.finish();
    await node.flush();
    await waiting;
    await node.flush();
    expect(file.log.slice(-2)).toEqual(['write 0+512', 'flush']);
  });

  it('is left out when nothing was written since the last', async () => {
    const file = new MemFile(4096);
    const node = await open(file);
    await node.flush();
    await node.write(0, noise(1), 0, 1);
    await node.flush();
    await node.flush();
    expect(file.log).toEqual(['write 0+1', 'flush']);
  });

  it('is not left out after one that failed, nor for a write that was under way during the last', async () => {
    const file = new MemFile(4096);
    const node = await open(file);
    await node.write(0, noise(1), 0, 1);
    file.before = () => {
      throw new BlockError('io', 'no');
    };
    expect((await failure(() => node.flush()))?.kind).toBe('io');
    file.before = () => undefined;
    await node.flush();
    expect(file.log.filter((line) => line === 'flush').length).toBe(2);
    const hold = gate();
    file.before = ({ verb }) => (verb === 'write' ? hold.promise : undefined);
    const writing = node.write(0, noise(1), 0, 1);
    await node.flush();
    hold.open();
    await writing;
    await node.flush();
    expect(file.log.filter((line) => line === 'flush').length).toBe(4);
  });
});

describe('discard', () => {
  it('is ignored unless allowed, keeps partial blocks, and is cut to the largest', async () => {
    const file = new MemFile(noise(8192), { alignment: 512, maxDiscard: 1024 });
    await (await open(file)).discard(0, 4096);
    expect(file.log).toEqual([]);
    const node = await open(file, { discard: 'unmap' });
    await node.discard(100, 3000);
    expect(file.log).toEqual(['discard 512+1024', 'discard 1536+1024', 'discard 2560+512']);
    await node.discard(8000, 5000);
    expect(file.log.slice(3)).toEqual(['discard 8192+0'].slice(1));
    await node.discard(7000, 50_000);
    expect(file.log.slice(3)).toEqual(['discard 7168+1024']);
  });

  it('waits for those who want to save what was there, and marks bitmaps', async () => {
    const file = new MemFile(8192);
    const node = await open(file, { discard: 'unmap' });
    const hold = gate();
    node.beforeWrite.add(() => hold.promise);
    const bitmap = new DirtyBitmap('b', 512, node.size);
    node.bitmaps.add(bitmap);
    node.updatePaths();
    const done = node.discard(0, 1024);
    await turn();
    expect(file.log).toEqual([]);
    hold.open();
    await done;
    expect(file.log).toEqual(['discard 0+1024']);
    expect(bitmap.count).toBe(1024);
  });
});

describe('who is told of writes', () => {
  it('notifiers before, each write waiting for all of them', async () => {
    const file = new MemFile(8192);
    const node = await open(file);
    const hold = gate();
    const told: string[] = [];
    node.beforeWrite.add((offset, length) => {
      told.push(`${offset}+${length}`);
      return hold.promise;
    });
    node.beforeWrite.add(() => undefined);
    node.updatePaths();
    const writing = [node.write(0, noise(5), 0, 5), node.writeZeroes(100, 50)];
    await turn();
    expect(told).toEqual(['0+5', '100+50']);
    expect(file.log).toEqual([]);
    hold.open();
    for (const done of writing) await done;
    expect(file.log).toEqual(['write 0+5', 'zero 100+50']);
  });

  it('notifiers may read what is about to change, and what has changed, also of a request that holds its blocks', async () => {
    const file = new MemFile(noise(8192), { alignment: 512 });
    const before = file.bytes.slice();
    const node = await open(file, { discard: 'unmap' });
    const seen: number[][] = [];
    const look = async (offset: number, length: number): Promise<void> => {
      const into = new Uint8Array(length);
      await node.read(offset, into, 0, length);
      seen.push([...into]);
    };
    const bitmap = new DirtyBitmap('b', 512, node.size);
    node.bitmaps.add(bitmap);
    node.beforeWrite.add(look);
    node.afterWrite.add(look);
    node.afterWrite.add(() => { expect(bitmap.count).toBe(512); });
    node.updatePaths();
    await node.write(600, new Uint8Array([1, 2, 3]), 0, 3);
    expect(seen).toEqual([[...before.subarray(600, 603)], [1, 2, 3]]);
    await node.discard(512, 512);
    expect(seen).toHaveLength(4);
    expect(node.requests.inFlight).toBe(0);
  });

  it('after a write that failed nobody is told that it was done', async () => {
    const file = new MemFile(8192);
    const node = await open(file);
    node.afterWrite.add(() => { throw new Error('told'); });
    node.updatePaths();
    file.before = () => { throw new BlockError('io', 'no'); };
    expect((await failure(() => node.write(0, noise(5), 0, 5)))?.message).toBe('no');
  });

  it('a notifier that fails stops its write', async () => {
    const file = new MemFile(8192);
    const node = await open(file);
    node.beforeWrite.add(() => Promise.reject(new BlockError('io', 'no copy')));
    node.updatePaths();
    expect((await failure(() => node.write(0, noise(5), 0, 5)))?.message).toBe('no copy');
    expect(file.log).toEqual([]);
  });

  it('bitmaps after, also when the write failed or grew the file', async () => {
    const file = new MemFile(8192);
    const node = await open(file);
    const bitmap = new DirtyBitmap('b', 512, node.size);
    node.bitmaps.add(bitmap);
    node.updatePaths();
    file.before = async () => {
      await turn();
      throw new BlockError('io', 'no');
    };
    expect((await failure(() => node.write(600, noise(5), 0, 5)))?.kind).toBe('io');
    expect([bitmap.get(0), bitmap.get(600), bitmap.get(1024)]).toEqual([false, true, false]);
    file.before = () => undefined;
    await node.write(9000, noise(100), 0, 100);
    expect([bitmap.size, bitmap.get(9000)]).toEqual([9100, true]);
    await node.truncate(4096);
    expect(bitmap.size).toBe(4096);
  });

  it('the threshold, once, when a write passes it', async () => {
    const file = new MemFile(8192);
    const { graph } = setup();
    const node = await graph.open({ ...file.definition, 'node-name': 'n' });
    const events: GraphEvent[] = [];
    graph.subscribe((event) => events.push(event));
    node.writeThreshold = 1000;
    node.updatePaths();
    await node.write(0, noise(1000), 0, 1000);
    expect(events).toEqual([]);
    await node.write(500, noise(1000), 0, 1000);
    await node.write(5000, noise(1000), 0, 1000);
    expect(events).toEqual([{ type: 'write-threshold', node, amount: 500, threshold: 1000 }]);
    expect(node.writeThreshold).toBe(0);
  });
});
