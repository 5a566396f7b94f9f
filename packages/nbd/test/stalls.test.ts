// Servers that are there and do not get on, under a clock that stands still: when a connection is given up, and when it is not.
import type { Socket } from 'node:net';
import { ManualClock } from '@blk/core-graph';
import { expectSameBytes } from '@blk/driver-conformance';
import { prng } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { NbdClient, Option, putSimpleReply, type NbdClientOptions } from '../src/index.js';
import { ack, against, type Script } from './scripted-server.js';
import { SlowLine } from './slow-line.js';
import { serveMemory } from './support.js';

const LIMIT = 8000;
/** A write, and the part of it that passes at a time: more than the system and the line keep on their way. */
const LENGTH = 4 * 1024 * 1024;
const STEP = 512 * 1024;
const ns = (ms: number): number => ms * 1e6;
const head = (high: number, low: number): Uint8Array => {
  const bytes = new Uint8Array(16);
  putSimpleReply(new DataView(bytes.buffer), 0, 0, high, low);
  return bytes;
};

interface Stalling {
  readonly clock: ManualClock;
  readonly client: NbdClient;
  /** What the server was asked, with the socket to answer on. */
  readonly asked: { readonly high: number; readonly low: number; readonly socket: Socket }[];
}

/** A client of a server that answers nothing by itself. Simple replies. */
async function stalling(use: (parts: Stalling) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const asked: { high: number; low: number; socket: Socket }[] = [];
  const answer: Script['answer'] = (high, low, socket) => {
    asked.push({ high, low, socket });
    return new Uint8Array(0);
  };
  const refuse = (option: number): Uint8Array => new Uint8Array(Buffer.concat([ack(option).subarray(0, 12), Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 0])]));
  await against({ answer, replies: { [Option.StructuredReply]: [refuse(Option.StructuredReply)] } }, async (path) => {
    const client = await NbdClient.connect({ path }, { stallTimeout: LIMIT, clock });
    await use({ clock, client, asked });
    client.close();
  });
}

describe('a server that does not answer', () => {
  it('is given up when the time is over, not before, and all that is under way fails', () => stalling(async ({ clock, client, asked }) => {
    const failures: unknown[] = [];
    const reads = Array.from({ length: 10 }, () => client.read(0, new Uint8Array(512), 0, 512).catch((error: unknown) => failures.push(error)));
    await expect.poll(() => asked.length).toBe(10);
    expect(clock.pending).toBe(1);
    clock.advance(ns(LIMIT));
    expect(client.failure).toBeUndefined();
    clock.advance(ns(LIMIT / 4));
    await Promise.all(reads);
    expect(failures).toHaveLength(10);
    expect(client.failure).toMatchObject({ kind: 'timeout', message: expect.stringMatching(/^Server '.*' did not answer for 8 s while requests were under way$/) as string });
    expect(new Set(failures)).toEqual(new Set([client.failure]));
    expect(clock.pending).toBe(0);
    await expect.poll(() => asked.every(({ socket }) => socket.closed)).toBe(true);
  }));

  it('is given all the time where no limit was set', async () => {
    const clock = new ManualClock();
    await against({}, async (path) => {
      const client = await NbdClient.connect({ path }, { clock });
      const read = client.read(0, new Uint8Array(512), 0, 512);
      expect(clock.pending).toBe(0);
      client.close();
      await expect(read).rejects.toMatchObject({ kind: 'closed' });
    });
  });

  it('at once, but in time, is not given up', () => stalling(async ({ clock, client, asked }) => {
    const parts = 12;
    const each = 8192;
    const bytes = prng(3).bytes(parts * each);
    const buffer = new Uint8Array(bytes.length);
    const read = client.read(0, buffer, 0, bytes.length);
    await expect.poll(() => asked.length).toBe(1);
    const [{ high, low, socket }] = asked;
    socket.write(head(high, low));
    for (let end = each; end <= bytes.length; end += each) {
      socket.write(bytes.subarray(end - each, end));
      await expect.poll(() => buffer[end - 1]).toBe(bytes[end - 1]);
      clock.advance(ns(LIMIT * 0.9));
    }
    await read;
    expectSameBytes(buffer, bytes);
    expect(client.failure).toBeUndefined();
  }));

  it.each(['its heads', 'its data'])('but lets %s drip is given up', (what) => stalling(async ({ clock, client, asked }) => {
    const buffer = new Uint8Array(64).fill(0x5a);
    const read = client.read(0, buffer, 0, buffer.length).then(() => 'read', (error: { kind?: string }) => error.kind);
    await expect.poll(() => asked.length).toBe(1);
    const [{ high, low, socket }] = asked;
    const reply = head(high, low);
    if (what === 'its data') socket.write(reply);
    for (let at = 0; at < 15 && client.failure === undefined; at++) {
      await new Promise<void>((resolve) => { socket.write(what === 'its data' ? Uint8Array.of(at) : reply.subarray(at, at + 1), () => { resolve(); }); });
      if (what === 'its data') await expect.poll(() => buffer[at]).not.toBe(0x5a);
      clock.advance(ns(LIMIT / 10));
    }
    expect(await read).toBe('timeout');
    expect(client.failure?.message).toMatch(/ did not answer for 8 s /);
  }));

  it('may be silent for as long as it likes while nothing is asked', () => stalling(async ({ clock, client, asked }) => {
    for (let i = 0; i < 3; i++) {
      const flushed = client.flush();
      await expect.poll(() => asked.length).toBe(i + 1);
      expect(clock.pending).toBe(1);
      clock.advance(ns(LIMIT * 0.9));
      asked[i].socket.write(head(asked[i].high, asked[i].low));
      await flushed;
      clock.advance(ns(LIMIT * 10));
      // The timer ends where it finds nothing under way.
      expect(clock.pending).toBe(0);
    }
    expect(client.failure).toBeUndefined();
  }));
});

describe('a long write over a slow line', () => {
  const psk = (name: string): { tls: NonNullable<NbdClientOptions['tls']> } => ({ tls: { credentials: { kind: 'psk', username: name, key: new Uint8Array(16).fill(5) } } });
  it.each<readonly [string, NbdClientOptions, object]>([
    ['in the clear', {}, {}],
    ['encrypted', psk('u'), { tls: { credentials: { kind: 'psk', keys: new Map([['u', new Uint8Array(16).fill(5)]]) } } }],
  ])('goes on as long as its bytes leave, %s', async (_title, options, serverOptions) => {
    await using server = await serveMemory(LENGTH, serverOptions);
    await using line = await SlowLine.to(server.path);
    const clock = new ManualClock();
    const client = await NbdClient.connect({ path: line.path }, { ...options, stallTimeout: LIMIT, clock });
    line.stop();
    const content = prng(8).bytes(LENGTH);
    const written = client.write(0, content, 0, LENGTH).then(() => 'written', (error: unknown) => error);
    for (let passed = 0; passed + STEP < LENGTH; passed += STEP) {
      await line.pass(STEP);
      clock.advance(ns(LIMIT * 0.9));
    }
    expect(client.failure).toBeUndefined();
    await line.pass(Infinity);
    expect(await written).toBe('written');
    expectSameBytes(server.source.bytes, content);
    client.close();
  });

  it('fails when they stop leaving', async () => {
    await using server = await serveMemory(LENGTH);
    await using line = await SlowLine.to(server.path);
    const clock = new ManualClock();
    const client = await NbdClient.connect({ path: line.path }, { stallTimeout: LIMIT, clock });
    line.stop();
    const written = client.write(0, new Uint8Array(LENGTH), 0, LENGTH);
    await Promise.all([expect(written).rejects.toMatchObject({ kind: 'timeout' }), line.pass(STEP).then(async () => {
      clock.advance(ns(LIMIT));
      clock.advance(ns(LIMIT * 1.5));
    })]);
  });
});

describe('a handshake that hangs', () => {
  const credentials = { kind: 'psk', username: 'qemu', key: new Uint8Array(16) } as const;

  it.each<readonly [string, Script, NbdClientOptions]>([
    ['at the greeting', { greeting: new Uint8Array(0) }, {}],
    ['at an option', { replies: { [Option.Go]: [] } }, {}],
    ['in the TLS handshake', { replies: { [Option.StartTls]: [ack(Option.StartTls)] } }, { tls: { credentials } }],
  ])('%s ends in time', async (_title, script, options) => {
    const clock = new ManualClock();
    await against(script, async (path) => {
      const connecting = NbdClient.connect({ path }, { ...options, timeout: 2000, clock });
      clock.advance(ns(1999));
      const first = await Promise.race([connecting.then(() => 'connected', () => 'failed'), new Promise((resolve) => { setTimeout(resolve, 50, 'hangs'); })]);
      expect(first).toBe('hangs');
      clock.advance(ns(1));
      await expect(connecting).rejects.toMatchObject({ kind: 'timeout', message: `Failed to connect to '${path}': No answer within 2 s` });
      expect(clock.pending).toBe(0);
    });
  });
});
