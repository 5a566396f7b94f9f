/**
 * Whether every entry of the map has a block of its own and the header counts them right. The words are the reference's, which has no
 * repair; ours moves blocks into the places that nobody uses, and counts anew.
 */
import { Bits } from '@blk/cluster-map';
import { emptyCheckResult, type CheckOptions, type CheckResult, type Edge } from '@blk/core-graph';
import type { BlockMap } from './block-map.js';
import { compact } from './compact.js';
import type { VdiHeader } from './header.js';
import { isStored } from './run.js';

/** What is checked; a repair changes the header. */
export interface CheckTarget {
  readonly file: Edge;
  header: VdiHeader;
  readonly map: BlockMap;
}

export async function checkVdi(target: CheckTarget, { repair, finding, pause }: CheckOptions): Promise<CheckResult> {
  const { file, header, map } = target;
  const { blocks, blockSize, dataOffset, size } = header;
  const result = emptyCheckResult();
  const used = new Bits(blocks);
  let count = 0;
  let end = 0;
  const error = (text: string): void => {
    result.corruptions++;
    finding?.(`ERROR: ${text}`);
  };
  for (let block = 0; block < blocks; block++) {
    if (block % 0x10000 === 0) {
      const waiting = pause?.();
      if (waiting !== undefined) await waiting;
    }
    const entry = map.get(block);
    if (!isStored(entry)) continue;
    if (entry >= blocks) {
      error(`block index ${block} too large, is ${entry}`);
      continue;
    }
    count++;
    end = Math.max(end, entry + 1);
    if (used.has(entry)) error(`block index ${entry} also used by ${entry}`);
    used.add(entry);
    const hostEnd = dataOffset + entry * blockSize + Math.max(0, Math.min(blockSize, size - block * blockSize));
    if (hostEnd > file.size) error(`block index ${block} reaches to ${hostEnd}, beyond the end of the file at ${file.size}`);
  }
  const sound = result.corruptions === 0;
  if (count === header.allocated && end <= header.allocated) return result;
  if (count !== header.allocated) error(`allocated blocks mismatch, is ${count}, should be ${header.allocated}`);
  else error(`allocated blocks reach to ${end}, should reach to ${header.allocated}`);
  // A header that counts too few lets others write over blocks in use: more than a leak.
  const allowed = repair === 'all' || (repair === 'leaks' && header.allocated >= end);
  if (!allowed || !sound) return result;
  finding?.(`Repairing allocated blocks, ${count} are in use`);
  await compact(target, used, end, pause);
  result.corruptions--;
  result.corruptionsFixed++;
  return result;
}
