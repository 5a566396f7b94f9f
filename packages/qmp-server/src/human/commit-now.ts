/** `commit`: what a device's image holds goes into its backing file at once, while the guest waits, and the image is emptied. */
import { chainExtentAt, setReadOnly, type BlockGraph, type BlockNode } from '@blk/core-graph';
import { PlainError } from './command.js';

const PIECE = 1 << 20;

export async function commitNow(graph: BlockGraph, name: string, top: BlockNode): Promise<void> {
  const base = top.backing?.node;
  if (base === undefined || top.driver.empty === undefined) throw failed(name, 'Operation not supported');
  if (top.readOnly) throw failed(name, 'Permission denied');
  for (const node of [top, base]) graph.checkFree(node);
  await graph.drained([top, base], async () => {
    const { readOnly } = base;
    if (readOnly) await setReadOnly(graph, base, false);
    try {
      if (base.size < top.size) await base.truncate(top.size);
      await copyOver(graph, top, base);
      const flushed = base.flush();
      if (flushed !== undefined) await flushed;
      // Only now may the overlay give its content up.
      await top.driver.empty?.();
    } finally {
      if (readOnly) await setReadOnly(graph, base, true);
    }
  });
}

async function copyOver(graph: BlockGraph, top: BlockNode, base: BlockNode): Promise<void> {
  const buffer = graph.pool.take(PIECE);
  try {
    for (let at = 0; at < top.size; ) {
      const found = chainExtentAt(top, at, Math.min(PIECE, top.size - at));
      const { length, allocated, depth, zero } = await Promise.resolve(found);
      // What is not the overlay's own is below already.
      if (allocated && depth === 0) {
        const read = zero ? undefined : top.read(at, buffer, 0, length);
        if (read !== undefined) await read;
        const written = zero ? base.writeZeroes(at, length) : base.write(at, buffer, 0, length);
        if (written !== undefined) await written;
      }
      at += length;
    }
  } finally {
    graph.pool.give(buffer);
  }
}

function failed(name: string, why: string): PlainError {
  return new PlainError(`'commit' error for '${name}': ${why}`);
}
