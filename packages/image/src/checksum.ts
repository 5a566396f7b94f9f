/**
 * `checksumImage`: one value for the content of a disk, whatever format it is stored in; zeroes cost nothing.
 *
 * The disk is cut into chunks of 1 MiB, the last one filled up with zeroes. The hash of a chunk is the SHA-256 of its bytes,
 * that of two neighbours the SHA-256 of their two hashes one behind the other, and so on up to one hash for the smallest power
 * of two of chunks that holds the disk, where chunks behind its end are zeroes. The value is the SHA-256 of the ASCII text
 * `blk-checksum-1 SIZE` and a line's end, SIZE being the bytes of the disk in decimal (whole sectors of 512), followed by that
 * hash. Ranges of zeroes are known in the tree as they are in the image: their hashes are worked out once for each level.
 */
import { chainExtents, isZero, type BlockNode } from '@blk/core-graph';
import { errnoText } from './failure.js';
import { wholeSectors } from './open.js';
import { Pace, type Progress } from './pause.js';

export interface ChecksumOptions {
  /** First byte, and bytes from there on: the value of a disk that holds just this range. */
  readonly start?: number;
  readonly length?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface Checksum {
  readonly algorithm: 'blk-checksum-1';
  /** 64 hexadecimal digits. */
  readonly value: string;
  /** Bytes that it is about. */
  readonly size: number;
  /** Of these, bytes that had to be read. */
  readonly read: number;
}

type Hash = Uint8Array;

const CHUNK = 1024 * 1024;
/** Chunks that are hashed while others are read. */
const AHEAD = 4;

export async function checksumImage(node: BlockNode, options: ChecksumOptions = {}): Promise<Checksum> {
  const all = wholeSectors(node.size);
  const start = Math.min(options.start ?? 0, all);
  const size = Math.min(options.length ?? all, all - start);
  const tree = new Tree();
  const read = await new Reader(node, start, size, tree, options).run();
  const root = await tree.root(Math.ceil(size / CHUNK));
  const text = new TextEncoder().encode(`blk-checksum-1 ${BigInt(size)}\n`);
  return { algorithm: 'blk-checksum-1', value: hexOf(await sha256(joined(text, root))), size, read };
}

/** Hashes of chunks in order, put together as soon as their neighbours are known: one hash for each level at most. */
class Tree {
  readonly #zeroes: Hash[] = [];
  readonly #stack: { readonly level: number; readonly hash: Hash }[] = [];
  #count = 0;

  async append(hash: Hash): Promise<void> {
    await this.#push(0, hash);
  }

  /** So many chunks of zeroes. */
  async appendZeroes(chunks: number): Promise<void> {
    for (let left = chunks; left > 0; ) {
      let level = 0;
      while (2 ** (level + 1) <= left && this.#count % 2 ** (level + 1) === 0) level++;
      await this.#push(level, await this.#zero(level));
      left -= 2 ** level;
    }
  }

  /** The hash over all, filled up with zeroes to a power of two. */
  async root(chunks: number): Promise<Hash> {
    let level = 0;
    while (2 ** level < chunks) level++;
    await this.appendZeroes(2 ** level - this.#count);
    return this.#stack[0].hash;
  }

  async #push(level: number, hash: Hash): Promise<void> {
    this.#count += 2 ** level;
    let entry = { level, hash };
    for (let left = this.#stack[this.#stack.length - 1]; left?.level === entry.level; left = this.#stack[this.#stack.length - 1]) {
      this.#stack.pop();
      const zero = await this.#zero(entry.level);
      const both = left.hash === zero && entry.hash === zero;
      entry = { level: entry.level + 1, hash: both ? await this.#zero(entry.level + 1) : await sha256(joined(left.hash, entry.hash)) };
    }
    this.#stack.push(entry);
  }

  async #zero(level: number): Promise<Hash> {
    for (let at = this.#zeroes.length; at <= level; at++) {
      const below = this.#zeroes[at - 1];
      this.#zeroes.push(at === 0 ? await sha256(new Uint8Array(CHUNK)) : await sha256(joined(below, below)));
    }
    return this.#zeroes[level];
  }
}

/** Reads what is not known to be zero, chunk by chunk, with some of them being hashed meanwhile. */
class Reader {
  readonly #pace: Pace;
  readonly #pending: { readonly hash: Promise<Hash>; readonly buffer: Uint8Array<ArrayBuffer> }[] = [];
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #read = 0;

  constructor(
    private readonly node: BlockNode,
    private readonly start: number,
    private readonly size: number,
    private readonly tree: Tree,
    private readonly options: ChecksumOptions,
  ) {
    this.#pace = new Pace(options.signal);
  }

  async run(): Promise<number> {
    // Chunks before this one are dealt with.
    let next = 0;
    const { start } = this;
    const inside = Math.max(0, Math.min(this.size, this.node.size - start));
    for await (const { offset, length, zero } of chainExtents(this.node, start, inside)) {
      if (this.#pace.due()) await this.#pace.pause();
      if (zero) continue;
      const first = Math.max(next, Math.floor((offset - start) / CHUNK));
      await this.#zeroesUpTo(first, next);
      next = Math.max(next, Math.ceil((offset - start + length) / CHUNK));
      for (let chunk = first; chunk < next; chunk++) await this.#chunk(chunk);
    }
    await this.#zeroesUpTo(Math.ceil(this.size / CHUNK), next);
    await this.#settle(0);
    this.options.progress?.(this.size, this.size);
    return this.#read;
  }

  async #zeroesUpTo(to: number, from: number): Promise<void> {
    if (to <= from) return;
    await this.#settle(0);
    await this.tree.appendZeroes(to - from);
  }

  async #chunk(index: number): Promise<void> {
    this.options.progress?.(Math.min(index * CHUNK, this.size), this.size);
    if (this.#pace.due()) await this.#pace.pause();
    const buffer = this.#spare.pop() ?? new Uint8Array(CHUNK);
    const at = index * CHUNK;
    const length = Math.min(CHUNK, this.size - at);
    try {
      const done = this.node.read(this.start + at, buffer, 0, length);
      if (done !== undefined) await done;
    } catch (error) {
      throw errnoText(error, `Error while reading offset ${this.start + at} of ${this.node.filename}`);
    }
    buffer.fill(0, length);
    this.#read += length;
    if (isZero(buffer, 0, length)) {
      this.#spare.push(buffer);
      await this.#settle(0);
      await this.tree.appendZeroes(1);
      return;
    }
    const hash = sha256(buffer);
    // Looked at when its turn comes.
    hash.catch(() => undefined);
    this.#pending.push({ hash, buffer });
    await this.#settle(AHEAD - 1);
  }

  /** Takes finished hashes over until at most `left` are still being worked out. */
  async #settle(left: number): Promise<void> {
    while (this.#pending.length > left) {
      const [{ hash, buffer }] = this.#pending.splice(0, 1);
      await this.tree.append(await hash);
      this.#spare.push(buffer);
    }
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
