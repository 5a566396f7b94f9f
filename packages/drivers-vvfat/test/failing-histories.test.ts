// Random guests on hosts that fail at a random call: between two flushes that succeed, each file is one of those that it was, and nothing else is touched.
import type * as sync from 'node:fs';
import type * as later from 'node:fs/promises';
import { readFileSync, symlinkSync } from 'node:fs';
import { BlockError } from '@blk/core-graph';
import { prng, skipUnless, tempDir } from '@blk/oracle';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Fault, HostState } from './failing-calls.js';
import { Guest, randomStep } from './guest.js';
import { looks, openDirectory, putFiles, sameFiles, settled, takeFiles } from './support.js';

const host = vi.hoisted((): HostState => ({ meet: () => undefined, unsynced: new Set() }));

// Every call is to be seen.
vi.mock('../src/host/native.js', () => ({ loadNative: () => Promise.resolve(undefined) }));
vi.mock('node:fs', async (original) => (await import('./failing-calls.js')).failingSync(await original<typeof sync>(), host));
vi.mock('node:fs/promises', async (original) => (await import('./failing-calls.js')).failingLater(await original<typeof later>(), host));

afterEach(() => {
  host.meet = () => undefined;
  host.unsynced.clear();
});

const needs = skipUnless('fsck.fat', 'mtools');
type State = ReadonlyMap<string, Buffer | null>;

describe.skipIf(needs.skip)(needs.title('a random guest on a host that fails at random'), () => {
  test.each(Array.from({ length: 12 }, (_, index) => index + 1))('loses nothing, and leaves whole files, seed %i', async (seed) => {
    using dir = tempDir();
    const random = prng(seed);
    putFiles(dir.file('d'), { 'a': random.bytes(3000), 'b b b b b b b b.txt': random.bytes(5000), 'sub/c': random.bytes(1500), 'sub/deep/E': random.bytes(40) });
    putFiles(dir.file('outside'), { 'file': 'outside', 'sub/file': 'outside as well' });
    symlinkSync('../outside', dir.file('d/folder link'));
    symlinkSync('../outside/file', dir.file('d/link'));
    const outside = looks(dir.file('outside'));
    await using guest = await Guest.open(dir, { fatType: 12, floppy: seed % 2 === 0 }, seed);
    // What the directory was at the last flush that succeeded, and what the guest has wanted it to be since.
    let states: State[] = [takeFiles(dir.file('d'))];
    const history: string[] = [];
    let failures = 0;
    for (let round = 0; round < 12; round++) {
      for (let step = random.below(5); step >= 0; step--) history.push(await randomStep(guest, random, SIZES));
      await guest.push();
      states.push(await guest.files());
      const fault = { code: random.pick(['ENOSPC', 'EIO', 'EACCES', 'EROFS']), done: random.below(4) === 0 };
      const { failed, error } = await failing(fault, { at: 1 + random.below(60), forever: random.below(2) === 0 }, () => guest.disk.flush());
      history.push(`flush: ${fault.code} at ${failed.join(', ')}`);
      const told = `seed ${seed}: ${history.join('; ')}`;
      if (error !== undefined) expect(error, told).toBeInstanceOf(BlockError);
      expect(wrongIn(takeFiles(dir.file('d')), states), told).toEqual([]);
      expect(looks(dir.file('outside')), told).toEqual(outside);
      if (error !== undefined) {
        failures++;
        // The guest goes on as if nothing had been.
        if (random.below(3) === 0) continue;
        expect(await settled(guest.disk.flush()), told).toBeUndefined();
      }
      expect([...host.unsynced], told).toEqual([]);
      const now = takeFiles(dir.file('d'));
      expect(sameFiles(now, await guest.files()), told).toEqual([]);
      states = [now];
    }
    expect(failures).toBeGreaterThan(0);
    await guest.disk.flush();
    expect(readFileSync(dir.file('d/link'), 'utf8')).toBe('outside');
    expect(looks(dir.file('outside'))).toEqual(outside);
    await (await openDirectory(dir.file('d'), { 'fat-type': 12 })).close();
  }, 300_000);
});

/** Long enough to be there once, or nothing at all. */
const SIZES = [0, 40, 511, 512, 513, 4000, 30_000];

const isTemporary = (path: string): boolean => path.includes('.blk-vvfat-');

/** Lets one call fail, or all from then on. */
async function failing(fault: Fault, { at, forever }: { at: number; forever: boolean }, work: () => Promise<void>): Promise<{ failed: string[]; error: unknown }> {
  const failed: string[] = [];
  let seen = 0;
  host.meet = (call) => {
    seen++;
    if (seen < at || (!forever && failed.length > 0) || (fault.done && !call.changes)) return undefined;
    failed.push(call.verb);
    return fault;
  };
  const error = await settled(work());
  host.meet = () => undefined;
  return { failed, error };
}

/** What is lost, and what nobody ever wrote. */
function wrongIn(found: State, states: readonly State[]): string[] {
  const contents = (state: State): Set<string> => new Set([...state.values()].flatMap((content) => (content === null ? [] : [content.toString('latin1')])));
  const here = contents(found);
  const known = states.map(contents);
  const wrong: string[] = [];
  for (const [path, content] of found) {
    // A temporary file may be half written, and not have been taken away.
    if (content === null || isTemporary(path) || known.some((one) => one.has(content.toString('latin1')))) continue;
    wrong.push(`${path} is neither the old nor the new one`);
  }
  // Wherever it is.
  for (const content of known[0]) if (content !== '' && known.every((one) => one.has(content)) && !here.has(content)) wrong.push(`${content.length} bytes that nobody deleted are gone`);
  for (const path of states[0].keys()) {
    const versions = states.map((state) => state.get(path));
    if (versions.every((one) => one instanceof Buffer) && !versions.some((one) => one?.length === 0 || here.has(String(one?.toString('latin1'))))) wrong.push(`no version of ${path} is there`);
  }
  return wrong;
}
