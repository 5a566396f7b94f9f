/**
 * Whether every entry of the map has a block of its own and the header counts them right. The words are the reference's, which has no
 * repair; ours moves blocks into the places that nobody uses, and counts anew.
 */
import { settled, type Tables } from '@blk/cluster-map';
import { emptyCheckResult, type CheckOptions, type CheckResult, type Edge } from '@blk/core-graph';
import { hostEnd, isStored, UsedBlocks } from './block-map.js';
import { compact } from './compact.js';
import type { VdiHeader } from './header.js';

/** What is checked; a repair changes the header. */
export interface CheckTarget {
  readonly file: Edge;
  header: VdiHeader;
  readonly map: Tables;
  /** Most bytes to tell used blocks from others. */
  readonly limit: number;
}

export async function checkVdi(target: CheckTarget, { repair, finding, pause }: CheckOptions): Promise<CheckResult> {
  const { file, header, map, limit } = target;
  const { blocks } = header;
  const result = emptyCheckResult();
  const used = new UsedBlocks(header, limit);
  let count = 0;
  const error = (text: string): void => {
    result.corruptions++;
    finding?.(`ERROR: ${text}`);
  };
  await map.walk(blocks, async (page, first, stop) => {
    await settled(pause?.());
    for (let block = first; block < stop; block++) {
      const entry = page.low(block - first);
      if (!isStored(entry)) continue;
      if (entry >= blocks) {
        error(`block index ${block} too large, is ${entry}`);
        continue;
      }
      count++;
      if (!used.add(entry)) error(`block index ${entry} also used by ${entry}`);
      const end = hostEnd(header, block, entry);
      if (end > file.size) error(`block index ${block} reaches to ${end}, beyond the end of the file at ${file.size}`);
    }
  });
  const sound = result.corruptions === 0;
  const { end } = used;
  if (count === header.allocated && end <= header.allocated) return result;
  if (count !== header.allocated) error(`allocated blocks mismatch, is ${count}, should be ${header.allocated}`);
  else error(`allocated blocks reach to ${end}, should reach to ${header.allocated}`);
  // A header that counts too few lets others write over blocks in use: more than a leak.
  const allowed = repair === 'all' || (repair === 'leaks' && header.allocated >= end);
  if (!allowed || !sound) return result;
  finding?.(`Repairing allocated blocks, ${count} are in use`);
  await compact(target, used, pause);
  result.corruptions--;
  result.corruptionsFixed++;
  return result;
}
