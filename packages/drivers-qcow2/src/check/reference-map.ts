/** How often each host cluster is referred to, in as few bytes as the counts need. */
import { qcow2Error } from '../errors.js';

type Counts = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

export class ReferenceMap {
  #counts: Counts;
  #length: number;

  /** Throws kind `policy` where the counts would take more than `limit` bytes. */
  constructor(
    clusters: number,
    /** Most references that the image can count. */
    private readonly max: number,
    private readonly limit: number,
  ) {
    this.#checkRoom(clusters);
    this.#counts = new Uint8Array(clusters);
    this.#length = clusters;
  }

  /** Clusters of the file, and those referred to behind it. */
  get length(): number {
    return this.#length;
  }

  get(cluster: number): number {
    return this.#counts[cluster] ?? 0;
  }

  /** Counts one more reference; false where the count is at the image's maximum already. */
  add(cluster: number): boolean {
    if (cluster >= this.#counts.length) this.#grow(cluster + 1);
    const count = this.#counts[cluster];
    if (count >= this.max || count >= 0xffff_ffff) return false;
    if (count >= 2 ** (this.#counts.BYTES_PER_ELEMENT * 8) - 1) this.#widen();
    this.#counts[cluster] = count + 1;
    if (cluster >= this.#length) this.#length = cluster + 1;
    return true;
  }

  /** Sets the count of a cluster. */
  set(cluster: number, count: number): void {
    if (cluster >= this.#counts.length) this.#grow(cluster + 1);
    while (count >= 2 ** (this.#counts.BYTES_PER_ELEMENT * 8) && this.#counts.BYTES_PER_ELEMENT < 4) this.#widen();
    this.#counts[cluster] = Math.min(count, 0xffff_ffff);
    if (cluster >= this.#length) this.#length = cluster + 1;
  }

  /** Takes a reference back. */
  remove(cluster: number): void {
    if (this.get(cluster) > 0) this.#counts[cluster]--;
  }

  #grow(needed: number): void {
    const length = Math.max(needed, Math.ceil(this.#counts.length * 1.125));
    this.#checkRoom(length * this.#counts.BYTES_PER_ELEMENT);
    const grown = new (this.#counts.constructor as new (length: number) => Counts)(length);
    grown.set(this.#counts);
    this.#counts = grown;
  }

  #widen(): void {
    const { length, BYTES_PER_ELEMENT } = this.#counts;
    this.#checkRoom(length * BYTES_PER_ELEMENT * 2);
    this.#counts = BYTES_PER_ELEMENT === 1 ? new Uint16Array(this.#counts) : new Uint32Array(this.#counts);
  }

  #checkRoom(bytes: number): void {
    if (bytes > this.limit) throw qcow2Error({ what: 'table-memory', bytes, limit: this.limit });
  }
}
