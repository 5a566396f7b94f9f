/** Several images one behind the other, read as one. */
import { type BlockNode, type Completion } from '@blk/core-graph';
import { wholeSectors } from '../open.js';

interface Part {
  readonly node: BlockNode;
  /** Bytes before this part. */
  readonly start: number;
  readonly size: number;
}

export class Sources {
  readonly #parts: readonly Part[];
  /** Bytes of all together; each counts in whole sectors. */
  readonly size: number;

  constructor(nodes: readonly BlockNode[]) {
    let start = 0;
    this.#parts = nodes.map((node) => {
      const part = { node, start, size: wholeSectors(node.size) };
      start += part.size;
      return part;
    });
    this.size = start;
  }

  /** The image at `offset`, and the place there. */
  at(offset: number): { readonly node: BlockNode; readonly inside: number; readonly left: number } {
    const part = this.#parts.find(({ start, size }) => offset < start + size) ?? this.#parts[this.#parts.length - 1];
    return { node: part.node, inside: offset - part.start, left: part.size - (offset - part.start) };
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { node, inside, left } = this.at(offset);
    if (length <= left) return node.read(inside, buffer, start, length);
    return this.#readParts(offset, buffer, start, length);
  }

  async #readParts(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const { node, inside, left } = this.at(offset + done);
      const count = Math.min(left, length - done);
      const read = node.read(inside, buffer, start + done, count);
      if (read !== undefined) await read;
      done += count;
    }
  }
}
