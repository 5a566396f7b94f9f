import { describe, expect, it } from 'vitest';
import { encodeOption, Info, Option, OptionReply, TransmissionFlag, utf8, Writer } from '../src/index.js';
import { infoRequest, metaQuery } from './client.js';
import { MemorySource } from './source.js';
import { pattern, same, serveMemory } from './support.js';

const types = (answers: readonly { type: number }[]): number[] => answers.map(({ type }) => type);

describe('handshake', () => {
  it('greets as fixed newstyle', async () => {
    await using test = await serveMemory(4096);
    const client = await test.client();
    const greeting = await client.hello();
    expect(greeting.subarray(0, 16).toString()).toBe('NBDMAGICIHAVEOPT');
    expect(greeting.readUInt16BE(16)).toBe(3);
  });

  it('serves EXPORT_NAME with and without the 124 zeroes', async () => {
    await using test = await serveMemory(123_456);
    for (const [flags, length] of [[3, 10], [1, 134], [0, 134]] as const) {
      const client = await test.client();
      await client.hello(flags);
      client.send(encodeOption(Option.ExportName));
      const reply = await client.take(length);
      expect(Number(reply.readBigUInt64BE(0))).toBe(123_456);
      expect(reply.readUInt16BE(8)).toBe(0x1 | 0x4 | 0x8 | 0x20 | 0x40 | 0x100 | 0x400 | 0x800);
      test.source.bytes.set(pattern(16));
      client.request(0, 0, 16);
      expect((await client.simple()).error).toBe(0);
      expect(same(await client.take(16), pattern(16))).toBe(true);
    }
  });

  it('ends for an unknown EXPORT_NAME, unknown client flags and a bad magic', async () => {
    await using test = await serveMemory(4096);
    const unknown = await test.client();
    await unknown.hello();
    unknown.send(encodeOption(Option.ExportName, utf8('nope')));
    expect(await unknown.ended()).toHaveLength(0);
    const flags = await test.client();
    await flags.hello(4);
    expect(await flags.ended()).toHaveLength(0);
    const magic = await test.client();
    await magic.hello();
    magic.send(new Uint8Array(16));
    expect(await magic.ended()).toHaveLength(0);
  });

  it('lists exports with their descriptions', async () => {
    await using test = await serveMemory(4096, { export: { description: 'all of it' } });
    test.server.addExport({ name: 'zwei ü', source: new MemorySource(512) });
    const client = await test.client();
    await client.hello();
    const answers = await client.option(Option.List);
    expect(types(answers)).toEqual([OptionReply.Server, OptionReply.Server, OptionReply.Ack]);
    expect(answers[0]?.data.toString('latin1')).toBe('\0\0\0\0all of it');
    expect(answers[1]?.data.subarray(4).toString()).toBe('zwei ü');
    expect(types(await client.option(Option.List, new Uint8Array(1)))).toEqual([OptionReply.Invalid]);
  });

  it('acknowledges ABORT and ends', async () => {
    await using test = await serveMemory(4096);
    const client = await test.client();
    await client.hello();
    expect(types(await client.option(Option.Abort))).toEqual([OptionReply.Ack]);
    await client.ended();
  });

  it('skips unknown options, and refuses STARTTLS where there is no TLS', async () => {
    await using test = await serveMemory(4096);
    const client = await test.client();
    await client.hello();
    expect(types(await client.option(77, new Uint8Array(100_000)))).toEqual([OptionReply.Unsupported]);
    expect(types(await client.option(4))).toEqual([OptionReply.Unsupported]);
    expect(types(await client.option(Option.StartTls))).toEqual([OptionReply.Policy]);
    expect(types(await client.option(Option.StartTls, new Uint8Array(1)))).toEqual([OptionReply.Invalid]);
    expect(types(await client.option(Option.StructuredReply))).toEqual([OptionReply.Ack]);
    expect(types(await client.option(Option.StructuredReply))).toEqual([OptionReply.Invalid]);
    expect(types(await client.option(Option.StructuredReply, new Uint8Array(4)))).toEqual([OptionReply.Invalid]);
  });

  it('answers INFO and GO with what was asked for', async () => {
    await using test = await serveMemory(8192, { export: { name: 'disk', description: 'text', writable: false } });
    const client = await test.client();
    await client.hello();
    await client.option(Option.StructuredReply);
    const all = await client.option(Option.Info, infoRequest('disk', [Info.Name, Info.Description, Info.BlockSize, 99]));
    const infos = new Map(all.filter(({ type }) => type === OptionReply.Info).map(({ data }) => [data.readUInt16BE(0), data]));
    expect(infos.get(Info.Name)?.subarray(2).toString()).toBe('disk');
    expect(infos.get(Info.Description)?.subarray(2).toString()).toBe('text');
    expect(infos.get(Info.BlockSize)?.toString('hex')).toBe('0003000000010000100002000000');
    const flags = infos.get(Info.Export)?.readUInt16BE(10) ?? 0;
    expect(flags & TransmissionFlag.ReadOnly).not.toBe(0);
    expect(flags & TransmissionFlag.SendDf).not.toBe(0);
    expect(flags & (TransmissionFlag.SendTrim | TransmissionFlag.SendWriteZeroes)).toBe(0);
    expect(flags & TransmissionFlag.SendFlush).not.toBe(0);
    const unknown = await client.option(Option.Go, infoRequest('nope'));
    expect(types(unknown)).toEqual([OptionReply.Unknown]);
    expect(unknown[0]?.data.toString()).toBe("export 'nope' not present");
    expect(types(await client.option(Option.Go, infoRequest('disk', []))).at(-1)).toBe(OptionReply.Ack);
    expect(await client.read(0, 512)).toHaveLength(512);
  });

  it('serves a default export under the empty name', async () => {
    await using test = await serveMemory(4096, { defaultExport: 'disk', export: { name: 'disk' } });
    const client = await test.client();
    await client.hello();
    const answers = await client.option(Option.Info, infoRequest('', [Info.Name]));
    expect(answers[0]?.data.subarray(2).toString()).toBe('disk');
  });

  it('refuses malformed INFO data', async () => {
    await using test = await serveMemory(4096);
    const client = await test.client();
    await client.hello();
    const bad = [
      new Uint8Array(0),
      new Uint8Array(3),
      new Writer(4).u32(0xffffffff).bytes,
      new Writer(6).u32(0).u16(1).bytes,
      new Writer(9).u32(0).u16(1).bytes,
      new Writer(6 + 2).u32(2).u16(0xc328).u16(0).bytes,
      new Writer(6 + 2).u32(2).u16(0x6100).u16(0).bytes,
      new Writer(6 + 5000).u32(5000).raw(new Uint8Array(5000).fill(97)).u16(0).bytes,
    ];
    for (const data of bad) expect(types(await client.option(Option.Info, data))).toEqual([OptionReply.Invalid]);
    expect(types(await client.option(Option.Info, new Uint8Array(70_000)))).toEqual([OptionReply.TooBig]);
    expect(types(await client.option(Option.Go, infoRequest(''))).at(-1)).toBe(OptionReply.Ack);
  });

  it('survives any bytes as option data', async () => {
    await using test = await serveMemory(4096, { limits: { maxOptions: 100_000 } });
    const client = await test.client();
    await client.hello();
    for (let seed = 1; seed <= 150; seed++) {
      const noise = pattern(seed % 40, seed).map((byte, index) => (index < 4 && seed % 3 === 0 ? 0 : byte & (seed % 2 === 0 ? 3 : 255)));
      for (const option of [Option.List, Option.Info, Option.ListMetaContext, Option.SetMetaContext, Option.StructuredReply]) {
        expect((await client.option(option, noise)).at(-1)?.option).toBe(option);
      }
    }
  });
});

describe('metadata contexts', () => {
  it('lists and selects', async () => {
    await using test = await serveMemory(4096, { export: { allocationDepth: true } });
    const client = await test.client();
    await client.hello();
    expect(types(await client.option(Option.ListMetaContext, metaQuery('', [])))).toEqual([OptionReply.Invalid]);
    await client.option(Option.StructuredReply);
    const names = async (option: number, queries: readonly string[]): Promise<string[]> =>
      (await client.option(option, metaQuery('', queries)))
        .filter(({ type }) => type === OptionReply.MetaContext)
        .map(({ data }) => `${data.readUInt32BE(0)} ${data.subarray(4).toString()}`);
    expect(await names(Option.ListMetaContext, [])).toEqual(['0 base:allocation', '0 qemu:allocation-depth']);
    expect(await names(Option.ListMetaContext, ['qemu:'])).toEqual(['0 qemu:allocation-depth']);
    expect(await names(Option.ListMetaContext, ['base:', 'x:y'])).toEqual(['0 base:allocation']);
    expect(await names(Option.SetMetaContext, ['nope:', 'base:allocation', 'base:allocation'])).toEqual(['1 base:allocation']);
    expect(await names(Option.SetMetaContext, ['base:'])).toEqual([]);
    expect(await names(Option.SetMetaContext, [])).toEqual([]);
    expect(types(await client.option(Option.SetMetaContext, metaQuery('other', [])))).toEqual([OptionReply.Unknown]);
  });

  it('refuses malformed queries', async () => {
    await using test = await serveMemory(4096);
    const client = await test.client();
    await client.hello();
    await client.option(Option.StructuredReply);
    const bad = [
      new Writer(8).u32(0).u32(1).bytes,
      new Writer(8).u32(0).u32(0xffffffff).bytes,
      new Writer(12).u32(0).u32(1).u32(0x7fffffff).bytes,
      new Writer(9).u32(0).u32(0).bytes,
      metaQuery('', Array.from({ length: 129 }, () => 'a:b')),
      metaQuery('', ['x'.repeat(4097)]),
    ];
    for (const data of bad) expect(types(await client.option(Option.SetMetaContext, data))).toEqual([OptionReply.Invalid]);
  });

  it('forgets a selection for another export', async () => {
    await using test = await serveMemory(4096);
    test.server.addExport({ name: 'b', source: new MemorySource(512) });
    const client = await test.client();
    await client.hello();
    await client.option(Option.StructuredReply);
    await client.option(Option.SetMetaContext, metaQuery('', ['base:allocation']));
    await client.option(Option.Go, infoRequest('b'));
    client.request(7, 0, 512);
    expect((await client.status()).error).toBe(22);
  });
});

describe('limits of the handshake', () => {
  it('ends after too many options, a huge option, or a long name', async () => {
    await using test = await serveMemory(4096, { limits: { maxOptions: 3 } });
    const many = await test.client();
    await many.hello();
    for (let i = 0; i < 3; i++) await many.option(Option.List);
    many.send(encodeOption(Option.List));
    await many.ended();
    const huge = await test.client();
    await huge.hello();
    huge.send(encodeOption(77).subarray(0, 12));
    huge.send(new Writer(4).u32(0xffffffff).bytes);
    await huge.ended();
    const name = await test.client();
    await name.hello();
    name.send(encodeOption(Option.ExportName, new Uint8Array(4097).fill(97)));
    await name.ended();
  });

  it('ends a handshake that takes too long, and no other connection', async () => {
    await using test = await serveMemory(4096, { limits: { handshakeTimeout: 100 } });
    const quick = await test.client();
    await quick.go();
    const silent = await test.client();
    await silent.take(18);
    await silent.ended();
    expect(await quick.read(0, 16)).toHaveLength(16);
  });

  it('takes a handshake in pieces of one byte', async () => {
    await using test = await serveMemory(4096);
    const client = await test.client();
    client.socket.setNoDelay(true);
    const all = Buffer.concat([
      new Writer(4).u32(3).bytes,
      encodeOption(Option.StructuredReply),
      encodeOption(Option.Go, infoRequest('')),
    ]);
    for (const byte of all) {
      client.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.take(18);
    expect((await client.answer()).type).toBe(OptionReply.Ack);
    while ((await client.answer()).type !== OptionReply.Ack);
    expect(await client.read(0, 16)).toHaveLength(16);
  });
});
