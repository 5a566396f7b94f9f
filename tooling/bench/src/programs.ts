// The command lines of the two sides. Ours takes the reference tools' own words, so only the first ones differ.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool, type ToolName } from '@blk/oracle';
import type { Side } from './workload.js';

/** First words of each program's command line. */
export interface Programs {
  readonly img: readonly string[];
  readonly io: readonly string[];
  readonly nbd: readonly string[];
  readonly daemon: readonly string[];
  readonly bench: readonly string[];
}

/** The repository, from the bundle or from the sources. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/**
 * The programs of a side.
 * @param ours - `reference` puts the reference tools in our place too: the harness measured by itself, all ratios about 1
 * @throws Error if one of them is not there.
 */
export function programs(side: Side, ours: 'blk' | 'reference'): Programs {
  if (side === 'reference' || ours === 'reference') {
    const img = tool('qemu-img');
    return { img: [img], io: [tool('qemu-io')], nbd: [tool('qemu-nbd')], daemon: [tool('qemu-storage-daemon')], bench: [img, 'bench'] };
  }
  const blk = join(root, 'packages/cli/dist/blk.cjs');
  if (!existsSync(blk)) throw new Error('packages/cli/dist/blk.cjs is not there: run npm run build first');
  const node = process.execPath;
  return {
    img: [node, blk],
    io: [node, blk, 'io'],
    nbd: [node, blk, 'nbd'],
    daemon: [node, blk, 'serve'],
    bench: [node, join(root, 'tooling/bench/dist/image-bench.js')],
  };
}

function tool(name: ToolName): string {
  const path = findTool(name);
  if (path === undefined) throw new Error(`${name} is not installed: there is nothing to compare with`);
  return path;
}
