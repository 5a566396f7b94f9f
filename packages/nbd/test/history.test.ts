/** Random histories against an array of bytes, with limits so small that every way of waiting is taken. */
import { prng } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { Chunk, Command, CommandFlag, type NbdLimits } from '../src/index.js';
import { requestBytes, type TestClient } from './client.js';
import { same, serveMemory } from './support.js';

const SIZE = 3 * 1024 * 1024;
const REGION = SIZE / 8;

const TIGHT: Partial<NbdLimits> = { turnBytes: 3000, maxInFlightBytes: 70_000, maxInFlight: 3, maxUntakenBytes: 5000 };
const TURNS: Partial<NbdLimits> = { turnBytes: 100_000, turnTime: 0 };

interface Expected {
  readonly command: number;
  readonly offset: number;
  readonly length: number;
  /** What a read must give; copied when it was asked for. */
  readonly bytes: Uint8Array | undefined;
}

/** Checks one answer; reads arrive in chunks that may stand between others. */
async function check(client: TestClient, open: Map<number, Expected>, parts: Map<number, Uint8Array>): Promise<void> {
  if ((await client.peek(4)).readUInt32BE(0) === 0x67446698) {
    const { error, cookie } = await client.simple();
    expect(error).toBe(0);
    expect(open.delete(cookie)).toBe(true);
    return;
  }
  const { type, flags, cookie, data } = await client.chunk();
  const expected = open.get(cookie);
  if (expected?.bytes === undefined) throw new Error(`unexpected chunk ${type} for ${cookie}: ${data.toString()}`);
  const got = parts.get(cookie) ?? new Uint8Array(expected.length).fill(0xee);
  parts.set(cookie, got);
  if (type === Chunk.OffsetData) got.set(data.subarray(8), Number(data.readBigUInt64BE(0)) - expected.offset);
  else if (type === Chunk.OffsetHole) {
    const from = Number(data.readBigUInt64BE(0)) - expected.offset;
    got.fill(0, from, from + data.readUInt32BE(8));
  } else expect(type).toBe(Chunk.None);
  if (flags === 0) return;
  expect(same(got, expected.bytes), `read ${expected.offset} ${expected.length}`).toBe(true);
  open.delete(cookie);
  parts.delete(cookie);
}

describe.each([
  ['with ordinary limits', {}, 'never'],
  ['with a source that sometimes waits', {}, 'sometimes'],
  ['with tight limits', TIGHT, 'never'],
  ['with tight limits and a source that waits', TIGHT, 'sometimes'],
  ['with short turns', TURNS, 'never'],
  ['with short turns and a source that always waits', TURNS, 'always'],
] as const)('a history of requests %s', (_name, limits, waits) => {
  it.each([1, 2, 3])('is that of an array of bytes (seed %i)', async (seed) => {
    await using test = await serveMemory(SIZE, { limits });
    const random = prng(seed);
    const { source } = test;
    const model = new Uint8Array(SIZE);
    const client = await test.client();
    await client.go();
    for (let round = 0; round < 12; round++) {
      if (waits !== 'never') source.gate = waits === 'always' || random.below(2) === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined;
      // Requests of one round touch regions of their own, so that their order does not matter.
      const regions = Array.from({ length: 8 }, (_, index) => index);
      const open = new Map<number, Expected>();
      const sent: Uint8Array[] = [];
      while (regions.length > 0) {
        const region = regions.splice(random.below(regions.length), 1)[0];
        const length = 1 + random.below(random.pick([20, 5000, REGION / 2]));
        const offset = region * REGION + random.below(REGION - length);
        const command = random.pick([Command.Read, Command.Read, Command.Write, Command.Write, Command.Write, Command.WriteZeroes]);
        const cookie = client.nextCookie++;
        const flags = command === Command.Read ? random.pick([0, CommandFlag.Df]) : random.pick([0, CommandFlag.Fua]);
        sent.push(requestBytes(command, cookie, offset, length, flags));
        const range = model.subarray(offset, offset + length);
        if (command === Command.Write) {
          random.fill(range);
          sent.push(range.slice());
        } else if (command === Command.WriteZeroes) range.fill(0);
        open.set(cookie, { command, offset, length, bytes: command === Command.Read ? range.slice() : undefined });
      }
      const all = Buffer.concat(sent);
      for (let at = 0; at < all.length; ) {
        const piece = 1 + random.below(random.pick([30, 3000, 200_000, 1_000_000]));
        client.send(all.subarray(at, at + piece));
        at += piece;
        if (random.below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const parts = new Map<number, Uint8Array>();
      while (open.size > 0) await check(client, open, parts);
    }
    expect(same(model, source.bytes)).toBe(true);
  });
});
