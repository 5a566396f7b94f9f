/**
 * Copying between files on the event loop, as far as nothing has to be waited for: a piece in every turn, for what its calls take and little more.
 *
 * What the page cache does not have, or the disk does not take at once, is left to whoever asked.
 */
import type { AsideCopied } from '@blk/core-graph';
import { copier, type CopyOrder } from './copy-parts.js';
import type { HereCalls } from './file-io.js';
import type { Turns } from './turns.js';

const NOTHING = Buffer.alloc(65536);

/** Of an order's files. */
export interface HereFiles {
  /** The target. */
  readonly to: HereCalls;
  readonly from: (fd: number) => HereCalls;
}

/** `buffer`, of one piece, is whoever's asked, who leaves it alone until this is done. Never rejects. */
export async function copyHere(order: CopyOrder, buffer: Uint8Array, { to, from }: HereFiles, turns: Turns): Promise<AsideCopied> {
  const copy = copier(order, { buffer, nothing: NOTHING }, {
    whole: true,
    read: (fd, into, start, length, offset) => counted(from(fd).readHere(offset, into, start, length)),
    write: (_fd, out, start, length, offset) => counted(to.writeHere(offset, out, start, length)),
  });
  do {
    if (!turns.take(buffer.length)) await turns.wait(buffer.length);
  } while (to.writesHere && copy.step());
  const { length, zeroes } = copy.answer();
  return { length, zeroes };
}

/** What could not be done here is done otherwise, and fails there if it has to. */
function counted(result: number): number {
  if (result < 0) throw LEFT;
  return result;
}

const LEFT = new Error('left to others');
