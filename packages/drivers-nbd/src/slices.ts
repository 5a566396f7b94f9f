/**
 * Long transfers as several requests under way together. A server takes a buffer for each request: those of qemu-nbd above 1 MiB are
 * fresh memory each time, which costs it more than the transfer itself; smaller ones also stay in the processor's cache, and the
 * next one is read from the disk while the one before is sent.
 */
import type { NodeLimits } from '@blk/core-graph';

/** Bytes of one request, unless the server prefers longer ones. */
const SLICE = 512 * 1024;

/** Length of all slices but the last, which keeps them aligned: block sizes of servers are powers of two. */
export function sliceLength({ optimalTransfer, maxTransfer }: Pick<NodeLimits, 'optimalTransfer' | 'maxTransfer'>): number {
  return Math.min(Math.max(SLICE, optimalTransfer), maxTransfer);
}

/** Over when all are, also where one fails: the buffer is the caller's again then. */
export async function inSlices(length: number, slice: number, request: (at: number, length: number) => Promise<void>): Promise<void> {
  const requests: Promise<void>[] = [];
  for (let at = 0; at < length; at += slice) requests.push(request(at, Math.min(slice, length - at)));
  for (const result of await Promise.allSettled(requests)) if (result.status === 'rejected') throw result.reason;
}
