/** The filter `passthrough`: hands every verb to its child, `offset` bytes further on. What a driver stands behind in tests. */
import { defineDriver, NO_LIMITS, type BlockDriver, type DriverNode, type Edge } from '@blk/core-graph';

interface PassthroughOptions {
  readonly file: unknown;
  readonly offset?: number;
}

export const passthrough: BlockDriver = defineDriver<PassthroughOptions>({
  name: 'passthrough',
  role: 'filter',
  options: { offset: { type: 'size' } },
  children: { file: 'required' },
  open: async (options, context) => passthroughNode(await context.child('file', options.file, 'filtered'), options.offset ?? 0),
});

function passthroughNode(child: Edge, shift: number): DriverNode {
  const below = child.node.driver;
  return {
    get size() {
      return Math.max(0, child.size - shift);
    },
    // Shifted by less than a block, nothing aligned here is aligned there: the child's node pads.
    limits: shift % child.node.limits.alignment === 0 ? child.node.limits : NO_LIMITS,
    growable: below.growable === true,
    ...(below.writeFlags === undefined ? {} : { writeFlags: below.writeFlags }),
    ...(below.zeroFlags === undefined ? {} : { zeroFlags: below.zeroFlags }),
    read: (offset, buffer, start, length) => child.read(offset + shift, buffer, start, length),
    readv: (offset, buffers) => child.readv(offset + shift, buffers),
    ...(below.write && {
      write: (offset: number, buffer: Uint8Array, start: number, length: number, flags: number) =>
        child.write(offset + shift, buffer, start, length, flags),
      writev: (offset: number, buffers: readonly Uint8Array[], flags: number) => child.writev(offset + shift, buffers, flags),
      writeZeroes: (offset: number, length: number, flags: number) => child.writeZeroes(offset + shift, length, flags),
      discard: (offset: number, length: number) => child.discard(offset + shift, length),
    }),
    extent: (offset, length) => child.extent(offset + shift, length),
    ...(below.truncate && { truncate: (size: number, options) => child.node.truncate(size + shift, options) }),
    close: () => Promise.resolve(),
  } satisfies DriverNode;
}
