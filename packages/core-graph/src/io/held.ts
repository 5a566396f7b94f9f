/**
 * Changes of a range that the caller holds serialised (`requests.serialise`), and that leave what the guest sees as it is: what a job puts
 * into an image below its guests. No notifier hears of them, and no dirty bitmap.
 */
import type { Completion } from '../completion.js';
import { WriteFlag } from '../flags.js';
import type { BlockNode } from '../node.js';
import { alignedWrite } from './aligned-write.js';
import { checkWritable, zeroPieces } from './write.js';

/** As `BlockNode.write`. The range held covers whole blocks of the driver. */
export function heldWrite(node: BlockNode, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  checkWritable(node, offset, length);
  node.wrote(offset + length);
  return alignedWrite(node, offset, buffer, start, length, WriteFlag.Unchanged);
}

/** As `BlockNode.writeZeroes`. The range held covers whole blocks of the driver. */
export function heldZeroes(node: BlockNode, offset: number, length: number): Completion {
  checkWritable(node, offset, length);
  node.wrote(offset + length);
  return zeroPieces(node, offset, length, WriteFlag.Unchanged);
}
