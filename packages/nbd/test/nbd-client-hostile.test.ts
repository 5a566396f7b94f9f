// Servers that lie: each ends in a clear error, none in wrong bytes, a hang or memory without bound.
import { prng } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { BlockError } from '@blk/core-graph';
import {
  Chunk, encodeInfoExport, encodeMetaContext, encodeOptionReply, listExports, NbdClient, Option, OptionReply, putChunk, putDataChunk,
  putHoleChunk, putSimpleReply, utf8, Writer, type NbdClientOptions,
} from '../src/index.js';
import { ack, against, SIZE, type Script } from './scripted-server.js';

const connect = (script: Script, options: NbdClientOptions = {}): Promise<NbdClient> => against(script, (path) => NbdClient.connect({ path }, options));

const goWith = (data: Uint8Array): Script => ({ replies: { [Option.Go]: [encodeOptionReply(Option.Go, OptionReply.Info, data), ack(Option.Go)] } });

describe('a handshake with a server that lies', () => {
  it.each<readonly [string, Script, RegExp]>([
    ['no NBD at all', { greeting: utf8('HTTP/1.1 400 Bad Request\r\n\r\n') }, /bad magic/],
    ['another second magic', { greeting: new Writer(18).u32(0x4e42444d).u32(0x41474943).u32(1).u32(2).u16(3).bytes }, /Bad server magic/],
    ['a reply to another option', { replies: { [Option.Go]: [ack(Option.Info)] } }, /Unexpected option type 6, expected 7/],
    ['a reply with another magic', { replies: { [Option.Go]: [new Uint8Array(20)] } }, /Unexpected option reply magic/],
    ['a reply without an end', { replies: { [Option.Go]: [new Writer(20).u32(0x3e889).u32(0x45565a9).u32(7).u32(3).u32(0xffffffff).bytes] } }, /at most 65536 are taken/],
    ['no size', { replies: { [Option.Go]: [ack(Option.Go)] } }, /did not tell the size/],
    ['a short size', goWith(encodeInfoExport(SIZE, 1).subarray(0, 8)), /NBD message with/],
    ['a size beyond all numbers', goWith(new Writer(12).u16(0).u32(0xffffffff).u32(0).u16(1).bytes), /a size of .* bytes; at most/],
    ['blocks of three bytes', goWith(new Writer(14).u16(3).u32(3).u32(4096).u32(4096).bytes), /minimum block size of 3/],
    ['a maximum below the preferred size', goWith(new Writer(14).u16(3).u32(1).u32(4096).u32(512).bytes), /maximum block size of 512/],
    ['a refusal with a text that is no text', { replies: { [Option.Go]: [encodeOptionReply(Option.Go, OptionReply.Unknown, new Uint8Array([255, 254]))] } }, /not available/],
  ])('%s', async (_title, script, message) => {
    const failure = await connect(script).then(() => undefined, (error: unknown) => error);
    expect(failure).toBeInstanceOf(BlockError);
    expect((failure as BlockError).message).toMatch(message);
  });

  it('a context that nobody asked for', async () => {
    const replies = { [Option.SetMetaContext]: [encodeOptionReply(Option.SetMetaContext, OptionReply.MetaContext, encodeMetaContext(1, 'x:y')), ack(Option.SetMetaContext)] };
    await expect(connect({ replies }, { contexts: ['base:allocation'] })).rejects.toThrow(/'x:y', which nobody asked for/);
  });

  it('one that never answers', async () => {
    await expect(connect({ replies: { [Option.Go]: [] } }, { timeout: 50 })).rejects.toMatchObject({ kind: 'timeout' });
  });

  it('one that sends noise', async () => {
    const random = prng(7);
    for (let round = 0; round < 40; round++) {
      const noise = random.bytes(1 + random.below(200));
      const script: Script = round % 2 === 0 ? { greeting: noise } : { replies: { [Option.Go]: [noise] } };
      const failure = await connect(script, { timeout: 50 }).then(() => undefined, (error: unknown) => error);
      expect(failure).toBeInstanceOf(BlockError);
    }
  });

  it('one that lists without end', async () => {
    const long = encodeOptionReply(Option.List, OptionReply.Server, new Writer(4).u32(0xffff).bytes);
    await expect(against({ replies: { [Option.List]: [long] } }, (path) => listExports({ path }))).rejects.toThrow(/NBD message with/);
  });
});

function chunk(fill: (view: DataView) => void, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer));
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

const data = (high: number, low: number, flags: number, offset: number, length: number): Uint8Array =>
  chunk((view) => { putDataChunk(view, 0, flags, high, low, offset, length); }, 28 + length);
const hole = (high: number, low: number, flags: number, offset: number, length: number): Uint8Array =>
  chunk((view) => { putHoleChunk(view, 0, flags, high, low, offset, length); }, 32);
const errorChunk = (high: number, low: number, flags: number, error: number, text: string): Uint8Array => chunk((view) => {
  putChunk(view, 0, flags, Chunk.Error, high, low, 6 + text.length);
  view.setUint32(20, error);
  view.setUint16(24, text.length);
  new Uint8Array(view.buffer).set(utf8(text), 26);
}, 26 + text.length);
const none = (high: number, low: number): Uint8Array => chunk((view) => { putChunk(view, 0, 1, Chunk.None, high, low, 0); }, 20);

describe('a server that lies about a read of 4096 bytes at 8192', () => {
  it.each<readonly [string, (high: number, low: number) => Uint8Array, RegExp]>([
    ['another cookie', (high, low) => none(high, low + 1), /a reply to a request that was not made/],
    ['an earlier cookie', (high, low) => none(high - 1, low), /a reply to a request that was not made/],
    ['no magic', () => new Uint8Array(20), /invalid magic/],
    ['a simple reply', (high, low) => chunk((view) => { putSimpleReply(view, 0, 0, high, low); }, 16), /a simple reply to a read/],
    ['data before the request', (high, low) => data(high, low, 1, 4096, 4096), /outside of the request/],
    ['data beyond the request', (high, low) => data(high, low, 1, 8192, 4097), /outside of the request/],
    ['less data than asked for', (high, low) => data(high, low, 1, 8192, 4000), /leaves bytes out/],
    ['nothing', none, /leaves bytes out/],
    ['the same data twice', (high, low) => joined(data(high, low, 0, 8192, 2048), data(high, low, 1, 8192, 2048)), /were sent before/],
    ['overlapping pieces', (high, low) => joined(data(high, low, 0, 10240, 2048), hole(high, low, 1, 9000, 2048)), /were sent before/],
    ['a hole beyond the request', (high, low) => hole(high, low, 1, 8192, 8192), /a hole outside of the request/],
    ['an empty data chunk', (high, low) => chunk((view) => { putChunk(view, 0, 1, Chunk.OffsetData, high, low, 8); }, 28), /a data chunk of 8 bytes/],
    ['block status', (high, low) => chunk((view) => { putChunk(view, 0, 1, Chunk.BlockStatus, high, low, 12); }, 32), /block status in a reply to another/],
    ['a chunk of unknown type', (high, low) => chunk((view) => { putChunk(view, 0, 1, 77, high, low, 4); }, 24), /unknown type 77/],
    ['an error that is none', (high, low) => chunk((view) => { putChunk(view, 0, 1, Chunk.Error, high, low, 6); }, 26), /without an error/],
    ['an error with a text beyond what is allowed', (high, low) => errorChunk(high, low, 1, 5, 'x'.repeat(4097)), /a string of 4097 bytes; at most 4096 are allowed/],
    ['an error with a text beyond its end', (high, low) => chunk((view) => { putChunk(view, 0, 1, Chunk.Error, high, low, 6); view.setUint32(20, 5); view.setUint16(24, 100); }, 26), /NBD message with/],
    ['an error with a text that is none', (high, low) => chunk((view) => { putChunk(view, 0, 1, Chunk.Error, high, low, 8); view.setUint32(20, 5); view.setUint16(24, 2); view.setUint16(26, 0xfffe); }, 28), /a string that is not UTF-8/],
    ['errors without end', (high, low) => joined(...Array.from({ length: 1025 }, () => errorChunk(high, low, 0, 5, ''))), /more than 1024 errors in one reply/],
    ['data in crumbs', (high, low) => joined(...Array.from({ length: 1025 }, (_, i) => data(high, low, 0, 8192 + 2 * i + 1, 1))), /in too many pieces/],
    ['an error of a gigabyte', (high, low) => chunk((view) => { putChunk(view, 0, 1, Chunk.Error, high, low, 2 ** 30); }, 20), /at most 1048576 are taken/],
    ['the end', () => new Uint8Array(0), /./],
  ])('%s', async (title, answer, message) => {
    await against({ answer }, async (path) => {
      const client = await NbdClient.connect({ path });
      const buffer = new Uint8Array(4096 + 64).fill(0x5a);
      const read = client.read(8192, buffer, 32, 4096);
      if (title === 'the end') client.close();
      const failure = await read.then(() => undefined, (error: unknown) => error);
      expect((failure as BlockError).message).toMatch(message);
      expect(client.failure).toBeInstanceOf(BlockError);
      // Nothing beside the place of the request was touched.
      expect([...buffer.subarray(0, 32), ...buffer.subarray(32 + 4096)].every((byte) => byte === 0x5a)).toBe(true);
    });
  });

  it('finishes one reply twice, and is cut off by that', async () => {
    await against({ answer: (high, low) => joined(data(high, low, 1, 8192, 4096), none(high, low)) }, async (path) => {
      const client = await NbdClient.connect({ path });
      await client.read(8192, new Uint8Array(4096), 0, 4096);
      await expect.poll(() => client.failure?.message).toMatch(/a reply to a request that was not made/);
      await expect(client.flush()).rejects.toBe(client.failure);
    });
  });

  it('tells of a context that was not agreed on, or without end', async () => {
    const status = (context: number) => (high: number, low: number): Uint8Array => chunk((view) => {
      putChunk(view, 0, 0, Chunk.BlockStatus, high, low, 12);
      view.setUint32(20, context);
      view.setUint32(24, 4096);
    }, 32);
    await against({ answer: (high, low) => joined(status(7)(high, low), status(8)(high, low)) }, async (path) => {
      const client = await NbdClient.connect({ path }, { contexts: ['base:allocation'] });
      await expect(client.blockStatus(0, 4096)).rejects.toThrow('Protocol error: server sent block status of context 8, which was not agreed on');
    });
    await against({ answer: (high, low) => joined(status(7)(high, low), status(7)(high, low)) }, async (path) => {
      const client = await NbdClient.connect({ path }, { contexts: ['base:allocation'] });
      await expect(client.blockStatus(0, 4096)).rejects.toThrow('two answers for one context');
    });
  });

  it('sends crumbs from the end to the beginning is understood, in linear time', async () => {
    const length = 50_000;
    const content = prng(5).bytes(length);
    const answer = (high: number, low: number): Uint8Array => joined(...Array.from({ length }, (_, i) => {
      const piece = data(high, low, i === length - 1 ? 1 : 0, 8192 + length - 1 - i, 1);
      piece[28] = content[length - 1 - i];
      return piece;
    }));
    await against({ answer }, async (path) => {
      const client = await NbdClient.connect({ path });
      const buffer = new Uint8Array(length);
      await client.read(8192, buffer, 0, length);
      expect(Buffer.compare(buffer, content)).toBe(0);
      client.close();
    });
  });

  it('says what a terminal would obey is quoted without it', async () => {
    await against({ answer: (high, low) => errorChunk(high, low, 1, 28, '\u001b[31mno\r\n') }, async (path) => {
      const client = await NbdClient.connect({ path });
      await expect(client.read(8192, new Uint8Array(4096), 0, 4096)).rejects.toMatchObject({ errno: 'ENOSPC', message: 'Server failed the request: ?[31mno??' });
      client.close();
    });
    const replies = { [Option.Go]: [encodeOptionReply(Option.Go, OptionReply.Policy, utf8('\u001b1mno'))] };
    await expect(connect({ replies })).rejects.toThrow('Denied by server for option 7 (go)\nserver reported: ?1mno');
  });

  it('takes pieces in any order, and errors with their text', async () => {
    const answers = [
      (high: number, low: number) => joined(data(high, low, 0, 10240, 2048), hole(high, low, 0, 8192, 2048), none(high, low)),
      (high: number, low: number) => joined(
        chunk((view) => { putChunk(view, 0, 0, Chunk.ErrorOffset, high, low, 17); view.setUint32(20, 28); view.setUint16(24, 3); new Uint8Array(view.buffer).set(utf8('bad'), 26); }, 37),
        none(high, low),
      ),
    ];
    await against({ answer: (high, low) => answers.shift()?.(high, low) ?? new Uint8Array(0) }, async (path) => {
      const client = await NbdClient.connect({ path });
      const buffer = new Uint8Array(4096).fill(1);
      await client.read(8192, buffer, 0, 4096);
      expect(buffer.every((byte) => byte === 0)).toBe(true);
      await expect(client.read(8192, buffer, 0, 4096)).rejects.toMatchObject({ errno: 'ENOSPC', message: 'Server failed the request: bad' });
      expect(client.failure).toBeUndefined();
      client.close();
    });
  });

  it('takes any bytes for what they are', async () => {
    const random = prng(11);
    for (let round = 0; round < 60; round++) {
      const noise = random.bytes(20 + random.below(100));
      await against({
        answer: (high, low) => {
          // Near enough to the truth to get past the first checks.
          const bytes = Uint8Array.from(noise);
          const view = new DataView(bytes.buffer);
          putChunk(view, 0, random.below(2), random.pick([0, 1, 2, 5, 0x8001, random.below(65536)]), high, low, random.below(40));
          return joined(bytes, new Uint8Array(64));
        },
      }, async (path) => {
        const client = await NbdClient.connect({ path });
        const failure = await client.read(0, new Uint8Array(4096), 0, 4096).then(() => undefined, (error: unknown) => error);
        expect(failure).toBeInstanceOf(BlockError);
      });
    }
  });
});
