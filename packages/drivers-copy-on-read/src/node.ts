/** One open filter. The copying is the graph's, which keeps writes to the same clusters out meanwhile. */
import { FilterNode, Permission, type BlockNode, type Completion, type Edge } from '@blk/core-graph';

export class CopyOnReadNode extends FilterNode {
  /** The image below is written, though not changed. */
  readonly childPermissions = Permission.WriteUnchanged;

  /** `held`: links of the chain that have to stay while this is open. */
  constructor(
    file: Edge,
    private readonly bottom: BlockNode | undefined,
    private readonly held: readonly Edge[],
  ) {
    super(file);
    for (const edge of held) edge.frozen = true;
  }

  override read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.child.readCopying(offset, buffer, start, length, this.bottom);
  }

  override async readv(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      const done = this.read(at, buffer, 0, buffer.length);
      if (done !== undefined) await done;
      at += buffer.length;
    }
  }

  override async close(): Promise<void> {
    for (const edge of this.held) edge.frozen = false;
  }
}
