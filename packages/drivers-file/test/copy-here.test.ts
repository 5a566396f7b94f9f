// Copies on the event loop: what they leave to others, and whom they let run.
import { readSync, writeSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { ASIDE_PIECE } from '@blk/core-graph';
import { prng } from '@blk/oracle';
import { EAGAIN, Files, here, mixed, OLD, plainOrder, withZeroesLeft } from './copy-support.js';

describe('copying on the event loop', () => {
  it.each([[0], [4096], [65536]])('leaves a piece alone that is not all at hand (steps of %i bytes)', async (granularity) => {
    using files = new Files();
    const source = mixed(41, 5 * ASIDE_PIECE + 5000);
    const from = files.source(source);
    for (const have of [0, 1000, ASIDE_PIECE - 1, ASIDE_PIECE, 3 * ASIDE_PIECE + 8192, 5 * ASIDE_PIECE + 4999]) {
      const to = files.target(source.length);
      const readHere = (offset: number, buffer: Uint8Array, start: number, length: number): number => {
        const most = Math.min(length, have - offset);
        return most <= 0 ? EAGAIN : readSync(from, buffer, start, most, offset);
      };
      const whole = have - (have % ASIDE_PIECE);
      const copied = await here({ ...plainOrder(from, to, source.length), granularity, zeroes: 'tell' }, { readHere });
      expect(copied.length).toBe(whole);
      expect(copied.failure).toBeUndefined();
      const bytes = source.subarray(0, whole);
      const expected = Buffer.concat([granularity === 0 ? bytes : withZeroesLeft(bytes, granularity), Buffer.alloc(source.length - whole, OLD)]);
      expect(files.content.equals(expected)).toBe(true);
    }
  });

  it.each([[0], [4096]])('ends before what could not be written, in whole steps (of %i bytes)', async (granularity) => {
    using files = new Files();
    const random = prng(42);
    const source = random.fill(Buffer.alloc(3 * ASIDE_PIECE));
    for (let at = 0; at < source.length; at += 8192) source.fill(0, at, at + 4096);
    const from = files.source(source);
    for (const error of [-28, EAGAIN]) {
      const to = files.target(source.length);
      const fails = ASIDE_PIECE + 65536;
      const writeHere = (offset: number, buffer: Uint8Array, start: number, length: number): number => {
        const most = Math.min(length, fails + 100 - offset);
        return most <= 0 ? error : writeSync(to, buffer, start, most, offset);
      };
      const copied = await here({ ...plainOrder(from, to, source.length), granularity, zeroes: 'tell' }, { writeHere });
      // 4096 zeroes, and then what was begun.
      expect(copied).toMatchObject({ length: granularity === 0 ? ASIDE_PIECE : fails + 4096 });
      expect(copied.failure).toBeUndefined();
      for (const run of copied.zeroes) writeSync(to, Buffer.alloc(run.length), 0, run.length, run.at);
      expect(files.content.subarray(0, copied.length).equals(source.subarray(0, copied.length))).toBe(true);
    }
  });

  it('reads nothing for a file that is written elsewhere', async () => {
    using files = new Files();
    const from = files.source(mixed(43, ASIDE_PIECE));
    const to = files.target(ASIDE_PIECE);
    const readHere = vi.fn(() => 0);
    expect(await here(plainOrder(from, to, ASIDE_PIECE), { writesHere: false, readHere })).toEqual({ length: 0, zeroes: [] });
    expect(readHere).not.toHaveBeenCalled();
  });

  it('lets others have their turns', async () => {
    using files = new Files();
    const from = files.source(mixed(44, 8 * ASIDE_PIECE));
    const to = files.target(8 * ASIDE_PIECE);
    let turns = 0;
    let copying = true;
    const count = (): void => {
      turns++;
      if (copying) setImmediate(count);
    };
    setImmediate(count);
    await here(plainOrder(from, to, 8 * ASIDE_PIECE));
    copying = false;
    expect(turns).toBeGreaterThanOrEqual(7);
  });
});
