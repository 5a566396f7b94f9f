/** A suite that cannot fail proves nothing: drivers with one defect each, and what is said about them. */
import { defineDriver, WriteFlag, zeroExtent, type DriverNode, type Edge } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { tryHistory } from '../src/conformance.js';
import { MemoryDisk, MemoryDisks, slow, type Provider } from '../src/index.js';
import { ARRANGEMENTS, BARE } from '../src/rig.js';

type Verbs = Pick<DriverNode, 'read'> & Required<Pick<DriverNode, 'write' | 'writeZeroes' | 'discard' | 'flush' | 'extent' | 'truncate'>>;

/** A driver that hands everything through, except for what `defect` does differently. */
function broken(defect: (child: Edge, sound: Verbs) => Partial<Verbs>): Provider {
  const driver = defineDriver<{ file: unknown }>({
    name: 'broken',
    role: 'format',
    options: {},
    children: { file: 'required' },
    open: async ({ file }, context) => {
      const child = await context.child('file', file, 'storage');
      const sound: Verbs = {
        read: (offset, buffer, start, length) => child.read(offset, buffer, start, length),
        write: (offset, buffer, start, length, flags) => child.write(offset, buffer, start, length, flags),
        writeZeroes: (offset, length, flags) => child.writeZeroes(offset, length, flags),
        discard: (offset, length) => child.discard(offset, length),
        flush: () => child.flush(),
        extent: (offset, length) => child.extent(offset, length),
        truncate: (size) => child.node.truncate(size),
      };
      return Object.defineProperty(
        { limits: child.node.limits, zeroFlags: WriteFlag.MayUnmap, ...sound, ...defect(child, sound), close: async () => undefined, size: 0 },
        'size',
        { get: () => child.size },
      );
    },
  });
  return async ({ size, seed, asynchronous }) => {
    const disks = new MemoryDisks();
    const disk = new MemoryDisk({ size });
    if (asynchronous) disk.use(slow(seed));
    return { drivers: [disks.driver, driver], definition: { driver: 'broken', file: { ...disk.definition, discard: 'unmap' } } };
  };
}

const defects: Record<string, [defect: (child: Edge, sound: Verbs) => Partial<Verbs>, says: RegExp]> = {
  'nothing wrong': [() => ({}), /^$/],
  'a write cut at 64 KiB': [
    (_, sound) => ({ write: (offset, buffer, start, length, flags) => sound.write(offset, buffer, start, Math.min(length, 65536), flags) }),
    /read \d+ .* differ, first at/,
  ],
  'a byte written past the end of what was asked for': [
    (_, sound) => ({
      read: (offset, buffer, start, length) => {
        buffer[start + length] = 0;
        return sound.read(offset, buffer, start, length);
      },
    }),
    /outside its buffer|smallest|differ/,
  ],
  'zeroes that only go to whole sectors': [
    (_, sound) => ({ writeZeroes: (offset, length, flags) => sound.writeZeroes(offset, length - (length % 512 || 0), flags) }),
    /differ/,
  ],
  'a discard of too much': [
    (child, sound) => ({ discard: (offset, length) => sound.discard(offset, Math.min(length + 40_000, child.size - offset)) }),
    /differ/,
  ],
  'extents that call everything zero': [() => ({ extent: (_offset, length) => zeroExtent(length) }), /is called zero, but byte/],
  'extents that do not move': [
    (_, sound) => ({ extent: (offset, length) => sound.extent(Math.max(0, offset - 700), length) }),
    /called zero|host range/,
  ],
  'a buffer kept and written later': [
    (_, sound) => {
      let last: (() => void) | undefined;
      return {
        read: (offset, buffer, start, length) => {
          last?.();
          last = () => (buffer[start] ^= 1);
          return sound.read(offset, buffer, start, length);
        },
      };
    },
    /touched after its read/,
  ],
  'a buffer written out after it was given back': [
    (_, sound) => {
      let late: (() => void) | undefined;
      return {
        write: (offset, buffer, start, length, flags) => {
          late = () => void sound.write(offset, buffer, start, length, flags);
        },
        read: (offset, buffer, start, length) => {
          late?.();
          return sound.read(offset, buffer, start, length);
        },
      };
    },
    /differ/,
  ],
  'a truncate that leaves the old bytes behind': [
    (child) => ({
      truncate: async (size) => {
        const before = child.size;
        await child.node.truncate(size);
        if (size > before) await child.write(before, Uint8Array.of(9), 0, 1);
      },
    }),
    /differ/,
  ],
};

describe('the suite', () => {
  it.each(Object.entries(defects))('says what is wrong: %s', async (name, [defect, says]) => {
    let message = '';
    for (let seed = 0; seed < 12 && message === ''; seed++) {
      try {
        await tryHistory({ name, provision: broken(defect), size: 400_384 }, BARE, seed);
      } catch (error) {
        message = (error as Error).message;
      }
    }
    expect(message).toMatch(says);
    if (name === 'nothing wrong') return;
    expect(message).toMatch(/seed \d+/);
    const history = message.split('Smallest history found:\n')[1]?.split('\n') ?? [];
    expect(history.length).toBeLessThanOrEqual(5);
  });

  it('notices bytes that come from nobody when requests overlap', async () => {
    const slowly = ARRANGEMENTS.find((one) => one.asynchronous && one.offset === 0);
    // Read, change, write back, without excluding others: what comes between is lost.
    const provision = broken((child, sound) => ({
      write: async (offset, buffer, start, length, flags) => {
        const from = offset - (offset % 4096);
        const to = Math.min(Math.ceil((offset + length) / 4096) * 4096, child.size);
        const block = new Uint8Array(to - from);
        await sound.read(from, block, 0, block.length);
        block.set(buffer.subarray(start, start + length), offset - from);
        await sound.write(from, block, 0, block.length, flags);
      },
    }));
    let message = '';
    for (let seed = 0; seed < 30 && message === ''; seed++) {
      try {
        await tryHistory({ name: 'unlocked', provision, size: 400_384 }, slowly ?? BARE, seed);
      } catch (error) {
        message = (error as Error).message;
      }
    }
    expect(message).toMatch(/requests at the same time, byte \d+ is/);
  });
});
