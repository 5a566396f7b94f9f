/**
 * A raw image whose format was guessed. A guest that could write the header of another format into its first bytes would
 * make the next opening read the image as that format, backing file and all; such writes are refused.
 */
import { BlockError, PROBE_BYTES, type Completion, type Edge } from '@blk/core-graph';
import { RawNode } from './node.js';

export class GuardedRawNode extends RawNode {
  /** The last change of the head, which the next one waits for: each is judged by what the one before left. */
  #head: Promise<void> | undefined;

  /** `formatOf`: the format that an image with these first bytes is taken for. */
  constructor(
    file: Edge,
    offset: number,
    length: number | undefined,
    private readonly formatOf: (head: Uint8Array) => string | undefined,
  ) {
    super(file, offset, length);
  }

  /** Writes are looked at. */
  override get fixedOffset(): undefined {
    return undefined;
  }

  override write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    if (offset >= PROBE_BYTES) return super.write(offset, buffer, start, length, flags);
    const bytes = buffer.subarray(start, start + Math.min(length, PROBE_BYTES - offset));
    return this.#guarded(offset, bytes, () => super.write(offset, buffer, start, length, flags));
  }

  override writev(offset: number, buffers: readonly Uint8Array[], flags: number): Completion {
    if (offset >= PROBE_BYTES) return super.writev(offset, buffers, flags);
    return this.#guarded(offset, joined(buffers, PROBE_BYTES - offset), () => super.writev(offset, buffers, flags));
  }

  override writeZeroes(offset: number, length: number, flags: number): Completion {
    if (offset >= PROBE_BYTES) return super.writeZeroes(offset, length, flags);
    const zeroes = new Uint8Array(Math.min(length, PROBE_BYTES - offset));
    return this.#guarded(offset, zeroes, () => super.writeZeroes(offset, length, flags));
  }

  override discard(offset: number, length: number): Completion {
    if (offset >= PROBE_BYTES) return super.discard(offset, length);
    const zeroes = new Uint8Array(Math.min(length, PROBE_BYTES - offset));
    return this.#guarded(offset, zeroes, () => super.discard(offset, length));
  }

  /** Runs `change` after those before it, unless `bytes` at `offset` would make the head that of another format. */
  async #guarded(offset: number, bytes: Uint8Array, change: () => Completion): Promise<void> {
    const before = this.#head;
    const mine = this.#judge(before, offset, bytes, change);
    const settled = mine.catch(() => undefined);
    this.#head = settled;
    try {
      await mine;
    } finally {
      if (this.#head === settled) this.#head = undefined;
    }
  }

  async #judge(
    before: Promise<void> | undefined,
    offset: number,
    bytes: Uint8Array,
    change: () => Completion,
  ): Promise<void> {
    if (before !== undefined) await before;
    const head = new Uint8Array(Math.min(PROBE_BYTES, Math.max(this.size, offset + bytes.length)));
    const read = this.file.read(this.offset, head, 0, head.length);
    if (read !== undefined) await read;
    head.set(bytes, offset);
    const format = this.formatOf(head);
    if (format !== undefined && format !== 'raw') {
      throw new BlockError('permission', `Operation not permitted: the write would turn this raw image into one of format '${format}'`, {
        driver: 'raw',
        reason: 'raw/guarded-head',
        offset,
        code: 'EPERM',
      });
    }
    const done = change();
    if (done !== undefined) await done;
  }
}

/** The first `length` bytes of the buffers, one after the other. */
function joined(buffers: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const buffer of buffers) {
    const piece = buffer.subarray(0, length - at);
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes.subarray(0, at);
}
