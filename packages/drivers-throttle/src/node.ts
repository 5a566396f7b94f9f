/** One open filter. A request that may go at once costs a look at the buckets; one that may not costs a promise. */
import { FilterNode, type Completion, type Edge } from '@blk/core-graph';
import { ThrottleMember, type Direction, type ThrottleGroup, type ThrottleGroups } from '@blk/throttle';

export class ThrottleNode extends FilterNode {
  readonly #member = new ThrottleMember();

  constructor(
    file: Edge,
    private readonly groups: ThrottleGroups,
    group: ThrottleGroup,
  ) {
    super(file);
    groups.join(this.#member, group);
  }

  override read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (this.#member.admit('read', length)) return super.read(offset, buffer, start, length);
    return this.#later('read', length, () => super.read(offset, buffer, start, length));
  }

  override readv(offset: number, buffers: readonly Uint8Array[]): Completion {
    const length = total(buffers);
    if (this.#member.admit('read', length)) return super.readv(offset, buffers);
    return this.#later('read', length, () => super.readv(offset, buffers));
  }

  override write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    if (this.#member.admit('write', length)) return super.write(offset, buffer, start, length, flags);
    return this.#later('write', length, () => super.write(offset, buffer, start, length, flags));
  }

  override writev(offset: number, buffers: readonly Uint8Array[], flags: number): Completion {
    const length = total(buffers);
    if (this.#member.admit('write', length)) return super.writev(offset, buffers, flags);
    return this.#later('write', length, () => super.writev(offset, buffers, flags));
  }

  override writeZeroes(offset: number, length: number, flags: number): Completion {
    if (this.#member.admit('write', length)) return super.writeZeroes(offset, length, flags);
    return this.#later('write', length, () => super.writeZeroes(offset, length, flags));
  }

  override discard(offset: number, length: number): Completion {
    if (this.#member.admit('write', length)) return super.discard(offset, length);
    return this.#later('write', length, () => super.discard(offset, length));
  }

  quiesce(): void {
    this.#member.letThrough();
  }

  resume(): void {
    this.#member.holdBack();
  }

  override async close(): Promise<void> {
    this.groups.join(this.#member, undefined);
  }

  async #later(direction: Direction, length: number, request: () => Completion): Promise<void> {
    await this.#member.wait(direction, length);
    const done = request();
    if (done !== undefined) await done;
  }
}

function total(buffers: readonly Uint8Array[]): number {
  let length = 0;
  for (const buffer of buffers) length += buffer.length;
  return length;
}
