/** Which parts of the file are to be had for new clusters. */
import { BlockError, type Edge } from '@blk/core-graph';
import type { Bits } from './bits.js';

/** Room in the file that nothing refers to yet. */
export interface Room {
  /** Offset in the file. */
  readonly host: number;
  readonly units: number;
  /** The file has nothing there: it reads as zeroes. */
  readonly virgin: boolean;
}

export interface Space {
  /** Room for up to `units` clusters, one behind the other; throws kind `no-space` where there is none. */
  take(units: number): Room;
  /** Nothing refers to it, and nothing will. */
  giveBack(room: Room): void;
}

/** New clusters at the end of the file, and nowhere else. */
export class SpaceAtEnd implements Space {
  #end: number;
  /** From here on, nothing has ever been written. */
  #fresh: number;

  constructor(
    private readonly file: Edge,
    private readonly unit: number,
    /** No cluster lies before this offset. */
    start = 0,
    /** What lies from here on is of no use any more. */
    end = file.size,
  ) {
    this.#end = Math.max(start, end);
    this.#fresh = Math.max(start, file.size);
  }

  /** Behind the last cluster. */
  get end(): number {
    return this.#end;
  }

  take(units: number): Room {
    const host = this.takeBytes(units * this.unit, this.unit);
    const virgin = host >= this.#fresh;
    this.#fresh = Math.max(this.#fresh, this.#end);
    return { host, units, virgin };
  }

  /** Room of any length, at a multiple of `alignment`. */
  takeBytes(bytes: number, alignment: number): number {
    if (this.file.node.driver.growable !== true) throw noSpace(this.file);
    const host = Math.ceil(this.#end / alignment) * alignment;
    this.#end = host + bytes;
    return host;
  }

  giveBack({ host, units }: Room): void {
    if (host + units * this.unit === this.#end) this.#end = host;
  }
}

/** Clusters that nobody uses first, then new ones at the end. */
export class SpaceInHoles implements Space {
  /** Behind the last cluster in use. */
  #end: number;
  /** No unused cluster is below. */
  #lowest = 0;
  #fresh: number;
  readonly #used: Bits;

  /** `used`: the clusters in use, counted from `start`, all below `end`; it has room for `most`. */
  constructor(
    private readonly file: Edge,
    private readonly layout: { readonly start: number; readonly unit: number; readonly most: number },
    used: Bits,
    end: number,
  ) {
    this.#used = used;
    this.#end = end;
    this.#fresh = Math.max(0, Math.ceil((file.size - layout.start) / layout.unit));
  }

  /** Clusters from the start up to the last in use. */
  get end(): number {
    return this.#end;
  }

  take(units: number): Room {
    const { file, layout } = this;
    const used = this.#used;
    while (this.#lowest < this.#end && used.has(this.#lowest)) this.#lowest++;
    const first = this.#lowest;
    const growable = file.node.driver.growable === true;
    const room = growable ? layout.most : Math.floor((file.size - layout.start) / layout.unit);
    const virgin = growable && first >= this.#fresh;
    let next = first;
    while (next < room && next - first < units && !used.has(next) && (growable && next >= this.#fresh) === virgin) used.add(next++);
    if (next === first) throw noSpace(file);
    this.#lowest = next;
    this.#end = Math.max(this.#end, next);
    this.#fresh = Math.max(this.#fresh, next);
    return { host: layout.start + first * layout.unit, units: next - first, virgin };
  }

  giveBack({ host, units }: Room): void {
    const first = (host - this.layout.start) / this.layout.unit;
    for (let at = first; at < first + units; at++) this.#used.delete(at);
    this.#lowest = Math.min(this.#lowest, first);
  }
}

function noSpace(file: Edge): BlockError {
  return new BlockError('no-space', `No free cluster in a file of ${file.size} bytes: No space left on device`);
}
