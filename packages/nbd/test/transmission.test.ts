import { BlockError } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { Chunk, Command, CommandFlag } from '../src/index.js';
import { requestBytes } from './client.js';
import { gate, pattern, same, serveMemory } from './support.js';

const MiB = 1024 * 1024;

describe('reads', () => {
  it('answers simply where structured replies are off', async () => {
    await using test = await serveMemory(65536);
    test.source.bytes.set(pattern(65536));
    const client = await test.client();
    await client.go('', { structured: false });
    const cookie = client.request(Command.Read, 1000, 5000);
    expect(await client.simple()).toEqual({ error: 0, cookie });
    expect(same(await client.take(5000), pattern(65536).subarray(1000, 6000))).toBe(true);
    client.request(Command.Read, 65000, 1000);
    expect((await client.simple()).error).toBe(22);
    client.request(Command.Read, 0, 0);
    expect((await client.simple()).error).toBe(0);
    client.request(Command.Read, 0, 16, CommandFlag.Df);
    expect((await client.simple()).error).toBe(22);
  });

  it('answers with data, holes and one last chunk where they are on', async () => {
    await using test = await serveMemory(65536);
    test.source.bytes.set(pattern(4096), 4096);
    const client = await test.client();
    await client.go();
    client.request(Command.Read, 0, 4096);
    const [hole] = await client.chunks();
    expect(hole?.type).toBe(Chunk.OffsetHole);
    expect(hole?.data.toString('hex')).toBe('000000000000000000001000');
    client.request(Command.Read, 4096, 4096);
    const [data, more] = await client.chunks();
    expect(more).toBeUndefined();
    expect(data?.type).toBe(Chunk.OffsetData);
    expect(same(data?.data.subarray(8) ?? Buffer.alloc(0), pattern(4096))).toBe(true);
    expect(await client.read(0, 0)).toHaveLength(0);
  });

  it('cuts long reads into chunks, but not with DF', async () => {
    await using test = await serveMemory(8 * MiB);
    test.source.bytes.set(pattern(3 * MiB), MiB + 5);
    const client = await test.client();
    await client.go();
    expect(same(await client.read(17, 7 * MiB), test.source.bytes.subarray(17, 17 + 7 * MiB))).toBe(true);
    client.request(Command.Read, 17, 7 * MiB, CommandFlag.Df);
    const chunks = await client.chunks();
    expect(chunks).toHaveLength(1);
    expect(same(chunks[0]?.data.subarray(8) ?? Buffer.alloc(0), test.source.bytes.subarray(17, 17 + 7 * MiB))).toBe(true);
  });

  it('says what went wrong, now and later', async () => {
    await using test = await serveMemory(4 * MiB);
    const client = await test.client();
    await client.go();
    test.source.failure = new BlockError('corrupt', 'the image is torn');
    client.request(Command.Read, 0, 512);
    expect(await client.status()).toMatchObject({ error: 5, message: 'the image is torn' });
    test.source.gate = Promise.resolve();
    client.request(Command.Read, 0, 512);
    expect(await client.status()).toMatchObject({ error: 5, message: 'the image is torn' });
    client.request(Command.Read, 0, 3 * MiB);
    expect(await client.status()).toMatchObject({ error: 5 });
    test.source.failure = undefined;
    expect(await client.read(0, 512)).toHaveLength(512);
    client.request(Command.Read, 0, 4 * MiB + 1);
    expect(await client.status()).toMatchObject({ error: 22 });
    client.request(Command.Read, 0, 0xffffffff);
    expect(await client.status()).toMatchObject({ error: 22 });
    client.send(requestBytes(Command.Read, 77, 2 ** 53 - 1, 512));
    expect(await client.status()).toMatchObject({ error: 22, cookie: 77 });
  });

  it('answers in the order in which requests are done', async () => {
    await using test = await serveMemory(65536);
    test.source.bytes.set(pattern(65536));
    const client = await test.client();
    await client.go();
    const slow = gate();
    test.source.gate = slow.promise;
    const first = client.request(Command.Read, 0, 4096);
    while (!test.source.log.includes('read 0 4096')) await new Promise((resolve) => setImmediate(resolve));
    test.source.gate = undefined;
    const second = client.request(Command.Read, 4096, 4096);
    const early = await client.chunk();
    expect(early.cookie).toBe(second);
    expect(same(early.data.subarray(8), pattern(65536).subarray(4096, 8192))).toBe(true);
    slow.open();
    const late = await client.chunk();
    expect(late.cookie).toBe(first);
    expect(same(late.data.subarray(8), pattern(65536).subarray(0, 4096))).toBe(true);
  });
});

describe('writes', () => {
  it('writes what it is sent, whole, in pieces and in single bytes', async () => {
    await using test = await serveMemory(8 * MiB);
    const client = await test.client();
    await client.go();
    expect(await client.write(100, pattern(5000, 2))).toBe(0);
    expect(same(test.source.bytes.subarray(100, 5100), pattern(5000, 2))).toBe(true);
    const long = pattern(5 * MiB + 3, 3);
    expect(await client.write(MiB - 7, long)).toBe(0);
    expect(same(test.source.bytes.subarray(MiB - 7, MiB - 7 + long.length), long)).toBe(true);
    client.socket.setNoDelay(true);
    for (const byte of Buffer.concat([requestBytes(Command.Write, 9, 64, 40), pattern(40, 4)])) {
      client.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.status()).toMatchObject({ error: 0, cookie: 9 });
    expect(same(test.source.bytes.subarray(64, 104), pattern(40, 4))).toBe(true);
    expect(await client.write(0, new Uint8Array(0))).toBe(0);
  });

  it('makes writes durable where asked to', async () => {
    await using test = await serveMemory(8 * MiB);
    const client = await test.client();
    await client.go();
    await client.write(0, pattern(512), CommandFlag.Fua);
    await client.write(0, pattern(512));
    await client.write(0, pattern(3 * MiB), CommandFlag.Fua);
    expect(test.source.log.slice(0, 2)).toEqual(['write 0 512 fua', 'write 0 512']);
    expect(test.source.log.at(-1)).toBe('flush');
  });

  it('keeps slow payloads apart', async () => {
    await using test = await serveMemory(4 * MiB);
    const client = await test.client();
    await client.go();
    const slow = gate();
    test.source.gate = slow.promise;
    for (let i = 0; i < 200; i++) client.request(Command.Write, i * 4096, 4096, 0, pattern(4096, i + 1));
    client.request(Command.Write, 2 * MiB, 300_000, 0, pattern(300_000, 999));
    while (test.source.log.length < 201) await new Promise((resolve) => setImmediate(resolve));
    slow.open();
    for (let i = 0; i < 201; i++) expect((await client.status()).error).toBe(0);
    for (let i = 0; i < 200; i++) {
      expect(same(test.source.bytes.subarray(i * 4096, i * 4096 + 4096), pattern(4096, i + 1))).toBe(true);
    }
    expect(same(test.source.bytes.subarray(2 * MiB, 2 * MiB + 300_000), pattern(300_000, 999))).toBe(true);
  });

  it('skips the payload of a refused write', async () => {
    await using test = await serveMemory(65536);
    const client = await test.client();
    await client.go();
    expect(await client.write(65536 - 512, pattern(1024))).toBe(28);
    expect(await client.write(0, pattern(1024), CommandFlag.Df)).toBe(22);
    expect(await client.write(65536, pattern(2 * MiB))).toBe(28);
    test.source.failure = new BlockError('no-space', 'full', { code: 'ENOSPC' });
    expect(await client.write(0, pattern(512))).toBe(28);
    test.source.gate = Promise.resolve();
    expect(await client.write(0, pattern(512))).toBe(28);
    test.source.failure = undefined;
    expect(await client.write(0, pattern(512))).toBe(0);
  });

  it('goes on after a piece of a long write failed', async () => {
    await using test = await serveMemory(8 * MiB);
    const client = await test.client();
    await client.go();
    for (const wait of [undefined, Promise.resolve()]) {
      test.source.gate = wait;
      test.source.failure = new BlockError('io', 'broken');
      expect(await client.write(0, pattern(4 * MiB))).toBe(5);
      test.source.failure = undefined;
      expect(await client.write(0, pattern(4 * MiB))).toBe(0);
    }
  });

  it('refuses changes of a read-only export', async () => {
    await using test = await serveMemory(65536, { export: { writable: false } });
    const client = await test.client();
    await client.go();
    expect(await client.write(0, pattern(512))).toBe(1);
    for (const command of [Command.Trim, Command.WriteZeroes]) {
      client.request(command, 0, 512);
      expect((await client.status()).error).toBe(1);
    }
    client.request(Command.Flush, 0, 0);
    expect((await client.status()).error).toBe(0);
  });
});

describe('the other commands', () => {
  it('hands them to the source with their flags', async () => {
    await using test = await serveMemory(65536);
    const client = await test.client();
    await client.go();
    const cases = [
      [Command.Flush, 0, 0, 0, 0],
      [Command.Flush, 0, 512, 0, 22],
      [Command.Trim, 0, 512, 0, 0],
      [Command.Trim, 0, 512, CommandFlag.Fua, 0],
      [Command.Trim, 65536, 512, 0, 22],
      [Command.WriteZeroes, 0, 4096, 0, 0],
      [Command.WriteZeroes, 0, 4096, CommandFlag.NoHole | CommandFlag.Fua, 0],
      [Command.WriteZeroes, 0, 4096, CommandFlag.FastZero, 0],
      [Command.WriteZeroes, 512, 512, CommandFlag.FastZero, 95],
      [Command.WriteZeroes, 65536, 1, 0, 28],
      [Command.WriteZeroes, 0, 512, CommandFlag.ReqOne, 22],
      [Command.Cache, 0, 65536, 0, 0],
      [Command.Cache, 1, 65536, 0, 22],
      [Command.Read, 0, 512, CommandFlag.NoHole, 22],
      [99, 0, 0, 0, 22],
    ] as const;
    for (const [command, offset, length, flags, error] of cases) {
      const cookie = client.request(command, offset, length, flags);
      expect(await client.status(), `command ${command} ${offset} ${length} ${flags}`).toMatchObject({ error, cookie });
    }
    expect(test.source.log).toEqual([
      'flush',
      'discard 0 512',
      'discard 0 512',
      'flush',
      'zero 0 4096 unmap',
      'zero 0 4096 fua',
      'zero 0 4096 unmap fast',
      'read 0 65536',
    ]);
  });

  it('reports block status, merged, cut and for each context', async () => {
    await using test = await serveMemory(65536, { export: { allocationDepth: true } });
    const run = (length: number, data: boolean, zero: boolean, allocated: boolean, depth: number) => ({ length, data, zero, allocated, depth });
    test.source.extentRuns = [
      run(4096, true, false, true, 0),
      run(4096, true, false, true, 1),
      run(8192, false, true, true, 0),
      run(16384, false, true, false, 2),
      run(32768, true, true, true, 0),
    ];
    const client = await test.client();
    await client.go('', { contexts: ['base:allocation', 'qemu:allocation-depth'] });
    const status = async (offset: number, length: number, flags = 0): Promise<number[][]> => {
      client.request(Command.BlockStatus, offset, length, flags);
      return (await client.chunks()).map(({ type, data }) => {
        expect(type).toBe(Chunk.BlockStatus);
        return Array.from({ length: data.length / 4 }, (_, index) => data.readUInt32BE(index * 4));
      });
    };
    expect(await status(0, 65536)).toEqual([
      [1, 8192, 0, 24576, 3, 32768, 2],
      [2, 4096, 1, 4096, 2, 8192, 1, 16384, 0, 32768, 1],
    ]);
    expect(await status(4095, 5000, CommandFlag.ReqOne)).toEqual([[1, 4097, 0], [2, 1, 1]]);
    client.request(Command.BlockStatus, 65536, 1);
    expect((await client.status()).error).toBe(22);
    client.request(Command.BlockStatus, 0, 0);
    expect((await client.status()).error).toBe(22);
  });
});
