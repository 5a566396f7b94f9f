/**
 * Reading ahead: short reads fetch the window around them, sequential ones find the next windows on their way already, and long
 * ones go straight into the buffer of the caller. What was fetched last is kept, since such files do not change.
 */
import type { Completion } from '@blk/core-graph';

/** What is read from. */
export interface RangeSource {
  /** Bytes. */
  readonly size: number;
  /** Fills `buffer[start, start + length)` from `offset`, or throws; the buffer is not touched any more when it settles. */
  fetch(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void>;
}

/** A range that is in memory, or on its way there. */
interface Window {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  /** Undefined when the bytes are there. */
  loading: Promise<void> | undefined;
}

/** Bytes that are kept, unless a few windows are more than that. */
const KEPT = 8 * 1024 * 1024;
const FEWEST = 4;
/** Longest single window, and the most that is fetched ahead; bytes. */
const LONGEST = 1024 * 1024;
const FARTHEST = 4 * 1024 * 1024;
/** Long reads in a row that came one by one, before more is fetched ahead of them: whoever has several under way needs none of that, and pays by a copy. */
const ALONE = 3;

export class ReadAhead {
  /** Least recently used first. */
  #windows: Window[] = [];
  #kept = 0;
  #reading = 0;
  /** Where the last read ended, and how many began where the one before had ended. */
  #next = -1;
  #streak = 0;
  /** Reads in a row that began while no other was under way. */
  #alone = 0;

  /** `window`: bytes around a short read, and the least that is fetched ahead; 0: nothing but what is asked for. */
  constructor(
    private readonly source: RangeSource,
    private readonly window: number,
  ) {}

  /** Puts in what is known already. The bytes are kept, not copied. */
  seed(start: number, bytes: Uint8Array): void {
    if (this.window > 0 && bytes.length > 0) this.#keep({ start, end: start + bytes.length, bytes, loading: undefined });
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const end = offset + length;
    this.#streak = offset === this.#next ? this.#streak + 1 : 0;
    this.#next = end;
    this.#alone = this.#reading === 0 ? this.#alone + 1 : 0;
    const window = this.#find(offset);
    if (window !== undefined && window.loading === undefined && end <= window.end) {
      buffer.set(window.bytes.subarray(offset - window.start, end - window.start), start);
      if (this.#streak > 0 && this.#reading === 0) this.#ahead(end, length);
      return;
    }
    return this.#slowly(offset, buffer, start, length);
  }

  /** Lets go of everything. */
  close(): void {
    this.#windows = [];
    this.#kept = 0;
  }

  async #slowly(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    this.#reading++;
    try {
      const parts: Promise<void>[] = [];
      const end = offset + length;
      for (let at = offset; at < end; ) {
        const window = this.#find(at) ?? this.#windowFor(at, end);
        const until = Math.min(end, window?.end ?? this.#startBehind(at, end));
        const into = start + at - offset;
        parts.push(window === undefined ? this.source.fetch(at, buffer, into, until - at) : this.#copy(window, at, until, buffer, into));
        at = until;
      }
      if (this.#streak > 0 && this.#reading === 1 && (length < LONGEST || this.#alone >= ALONE)) this.#ahead(end, length);
      await allSettled(parts);
    } finally {
      this.#reading--;
    }
  }

  async #copy(window: Window, from: number, to: number, buffer: Uint8Array, start: number): Promise<void> {
    if (window.loading !== undefined) await window.loading;
    buffer.set(window.bytes.subarray(from - window.start, to - window.start), start);
  }

  /** A new window for a range that is too short to be fetched for itself. */
  #windowFor(at: number, end: number): Window | undefined {
    const size = this.window;
    if (this.#startBehind(at, end) - at >= size) return undefined;
    const start = at - (at % size);
    return this.#load(start, Math.min(start + size, this.source.size));
  }

  /** What a sequential reader will ask for next; nobody waits for it, so its errors are left to whoever needs the bytes. */
  #ahead(from: number, length: number): void {
    if (this.window === 0) return;
    const { size } = this.source;
    const until = Math.min(from + Math.min(Math.max(2 * this.window, 2 * length), FARTHEST), size);
    const each = Math.max(this.window, Math.min(length, LONGEST));
    for (let at = from; at < until; ) {
      const end = (this.#find(at) ?? this.#load(at, Math.min(this.#startBehind(at, at + each), size))).end;
      at = end;
    }
  }

  #load(start: number, end: number): Window {
    const bytes = new Uint8Array(end - start);
    const window: Window = { start, end, bytes, loading: undefined };
    window.loading = this.source.fetch(start, bytes, 0, bytes.length).then(
      () => { window.loading = undefined; },
      (error: unknown) => {
        this.#drop(window);
        throw error;
      },
    );
    window.loading.catch(() => undefined);
    this.#keep(window);
    return window;
  }

  /** The window that has this byte, which is thereby the one used last. */
  #find(offset: number): Window | undefined {
    const windows = this.#windows;
    for (let i = windows.length - 1; i >= 0; i--) {
      const window = windows[i];
      if (offset < window.start || offset >= window.end) continue;
      if (i < windows.length - 1) {
        windows.splice(i, 1);
        windows.push(window);
      }
      return window;
    }
    return undefined;
  }

  /** Where the first window behind `at` begins, `end` at most. */
  #startBehind(at: number, end: number): number {
    let nearest = end;
    for (const { start } of this.#windows) if (start > at && start < nearest) nearest = start;
    return nearest;
  }

  #keep(window: Window): void {
    this.#windows.push(window);
    this.#kept += window.bytes.length;
    while (this.#kept > KEPT && this.#windows.length > FEWEST) this.#drop(this.#windows[0]);
  }

  #drop(window: Window): void {
    const at = this.#windows.indexOf(window);
    if (at < 0) return;
    this.#windows.splice(at, 1);
    this.#kept -= window.bytes.length;
  }
}

/** Over when all are: the buffer is the caller's again then, also after an error. */
async function allSettled(parts: readonly Promise<void>[]): Promise<void> {
  if (parts.length === 1) return parts[0];
  const failed = (await Promise.allSettled(parts)).find((part) => part.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
