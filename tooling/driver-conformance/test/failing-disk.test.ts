/** The proof against failing disks has to find something: drivers with one defect each, and what is said about them. */
import { BlockGraph, defineDriver, type DriverNode, type Edge } from '@blk/core-graph';
import { expect, test } from 'vitest';
import { MemoryDisk, MemoryDisks, proveFailingDisk } from '../src/index.js';

type Verbs = Required<Pick<DriverNode, 'write' | 'flush'>>;
const CACHE = 8192;

const defects: Record<string, [defect: (child: Edge) => Partial<Verbs>, says: RegExp]> = {
  'nothing wrong': [() => ({}), /^$/],
  'a write that failed is called done': [
    (child) => ({
      write: async (offset, buffer, start, length) => {
        try {
          await child.write(offset, buffer, start, length, 0);
        } catch {
          // Nobody hears of it.
        }
      },
    }),
    /byte \d+ is \d+, allowed are/,
  ],
  'a flush that fails is called done, and loses what was written': [
    (child) => {
      let held = new Map<number, Uint8Array>();
      return {
        write: (offset, buffer, start, length) => {
          if (length > CACHE) return child.write(offset, buffer, start, length, 0);
          held.set(offset, buffer.slice(start, start + length));
        },
        flush: async () => {
          const all = held;
          held = new Map();
          for (const [offset, bytes] of all) await child.write(offset, bytes, 0, bytes.length, 0);
        },
      };
    },
    /byte \d+ is \d+, allowed are/,
  ],
  'blocks changed without excluding others': [
    (child) => ({
      write: async (offset, buffer, start, length) => {
        const from = offset - (offset % 4096);
        const to = Math.min(Math.ceil((offset + length) / 4096) * 4096, child.size);
        const block = new Uint8Array(to - from);
        await child.read(from, block, 0, block.length);
        block.set(buffer.subarray(start, start + length), offset - from);
        await child.write(from, block, 0, block.length, 0);
      },
    }),
    /byte \d+ is \d+, allowed are/,
  ],
  'an error of its own': [
    (child) => ({
      write: async (offset, buffer, start, length) => {
        try {
          await child.write(offset, buffer, start, length, 0);
        } catch {
          throw new Error('something is wrong');
        }
      },
    }),
    /something is wrong/,
  ],
};

test.each(Object.entries(defects))('says what is wrong: %s', async (_, [defect, says]) => {
  const driver = defineDriver<{ file: unknown }>({
    name: 'broken', role: 'format', options: {}, children: { file: 'required' },
    open: async ({ file }, context) => {
      const child = await context.child('file', file, 'storage');
      return {
        size: child.size, limits: child.node.limits,
        read: (offset, buffer, start, length) => child.read(offset, buffer, start, length),
        write: (offset, buffer, start, length, flags) => child.write(offset, buffer, start, length, flags),
        flush: () => child.flush(),
        close: () => Promise.resolve(),
        ...defect(child),
      };
    },
  });
  const graph = new BlockGraph({ drivers: [new MemoryDisks().driver, driver] });
  let message = '';
  for (let seed = 1; seed <= 8 && message === ''; seed++) {
    const disk = new MemoryDisk({ size: 100_000 });
    try {
      await proveFailingDisk({
        open: (one, readOnly) => graph.open({ driver: 'broken', file: one.definition }, { readOnly }), release: (node) => graph.release(node),
      }, disk, { seed, rounds: 15, longest: 20_000 });
    } catch (error) {
      message = (error as Error).message;
    }
  }
  expect(message).toMatch(says);
});
