/** Where what an image holds lies as it is: parts of files, one behind the other, that somebody may copy without asking any layer. */
import { isPromise, type MaybePromise } from '../completion.js';
import type { BlockNode } from '../node.js';
import type { DriverNode } from '../driver-node.js';
import type { Extent } from '../extent.js';

/** Bytes of a file. */
export interface AsidePart {
  /** Undefined: zeroes, which lie nowhere. */
  readonly file: DriverNode | undefined;
  readonly offset: number;
  readonly length: number;
}

/** A node, and the place in it of what is copied. */
export interface Step {
  readonly node: BlockNode;
  readonly offset: number;
}

/** So many parts are looked for at once: nobody else is served meanwhile, and the message with them has its price too. */
const MOST_PARTS = 1024;

interface Place {
  /** From the image down to the file, or to whoever says that there are zeroes. */
  readonly way: readonly Step[];
  readonly length: number;
  readonly zero: boolean;
}

export class AsideSource {
  readonly parts: AsidePart[] = [];
  /** Bytes of all parts. */
  length = 0;
  /** The nodes on the ways to the files, and between which places of each the bytes lie. */
  readonly #nodes = new Map<BlockNode, { start: number; end: number }>();

  private constructor() {
    // Made by `find`.
  }

  /** From `offset` of `image` on, as far as the bytes lie anywhere as they are: up to `length` of them, or fewer where they are very scattered. */
  static async find(image: BlockNode, offset: number, length: number): Promise<AsideSource> {
    const source = new AsideSource();
    try {
      while (source.length < length && source.parts.length < MOST_PARTS) {
        const found = placeOf([{ node: image, offset: offset + source.length }], length - source.length);
        const place = isPromise(found) ? await found : found;
        if (place === undefined) break;
        source.#add(place);
      }
    } catch {
      // What is wrong there is told to whoever reads it.
    }
    return source;
  }

  /** While it was looked for places, somebody may have come to mind what is read. */
  get plain(): boolean {
    for (const node of this.#nodes.keys()) if (!node.readsPlainly) return false;
    return true;
  }

  /** The front of it. */
  upTo(length: number): readonly AsidePart[] {
    let left = length;
    const parts: AsidePart[] = [];
    for (const part of this.parts) {
      if (left <= 0) break;
      parts.push(part.length <= left ? part : { ...part, length: left });
      left -= part.length;
    }
    return parts;
  }

  /** Whoever closes or drains one of the nodes waits for what is returned. */
  begin(): { finish(): void }[] {
    return [...this.#nodes].map(([node, { start, end }]) => node.requests.begin(start, end - start, false));
  }

  #add({ way, length, zero }: Place): void {
    const { node, offset } = way[way.length - 1];
    const file = zero ? undefined : node.driver;
    const last = this.parts[this.parts.length - 1] as AsidePart | undefined;
    const goesOn = last !== undefined && last.file === file && (zero || last.offset + last.length === offset);
    if (goesOn) this.parts[this.parts.length - 1] = { ...last, length: last.length + length };
    else this.parts.push({ file, offset: zero ? 0 : offset, length });
    this.length += length;
    for (const step of way) {
      const end = step.offset + length;
      const range = this.#nodes.get(step.node);
      if (range === undefined) {
        this.#nodes.set(step.node, { start: step.offset, end });
        continue;
      }
      range.start = Math.min(range.start, step.offset);
      range.end = Math.max(range.end, end);
    }
  }
}

/** Where the bytes at the last of `way` lie as they are; undefined where somebody has to make them first. */
function placeOf(way: readonly Step[], length: number): MaybePromise<Place | undefined> {
  const { node, offset } = way[way.length - 1];
  const { driver } = node;
  const inside = Math.min(length, driver.size - offset);
  if (!node.readsPlainly || inside <= 0) return undefined;
  if (driver.copyAside !== undefined) return { way, length: inside, zero: false };
  const file = node.children.get('file')?.node;
  if (driver.fixedOffset !== undefined) return file && placeOf([...way, { node: file, offset: offset + driver.fixedOffset }], inside);
  const extent = driver.extent?.(offset, inside);
  const goOn = (found: Extent | undefined): MaybePromise<Place | undefined> => {
    if (found === undefined) return undefined;
    const { allocated, data, zero, compressed, hostOffset } = found;
    const within = Math.min(found.length, inside);
    if (zero) return { way, length: within, zero };
    if (!allocated) {
      const backing = node.backing?.node;
      // Behind the end of a backing file there are zeroes.
      if (backing === undefined || offset >= backing.driver.size) return { way, length: within, zero: true };
      return placeOf([...way, { node: backing, offset }], within);
    }
    if (!data || compressed || hostOffset < 0) return undefined;
    const child = driver.dataChild === undefined ? (node.children.get('data-file') ?? node.children.get('file')) : driver.dataChild(offset);
    // A filter's child shows what the filter makes of it.
    return child === undefined || child.role === 'filtered' ? undefined : placeOf([...way, { node: child.node, offset: hostOffset }], within);
  };
  return isPromise(extent) ? extent.then(goOn) : goOn(extent);
}
