/** Copying bytes of open files one behind the other into another: read, looked through for zeroes, written. By whichever thread, and whoever makes the calls. */
import type { AsideCopied, AsideZeroes } from '@blk/core-graph';

/** Bytes of an open file; `from` -1: zeroes. */
export interface CopyPart {
  readonly from: number;
  readonly offset: number;
  readonly length: number;
}

/** Offsets and lengths in bytes; the files are open. */
export interface CopyOrder {
  /** What goes one behind the other to the target; together of `length` bytes. */
  readonly parts: readonly CopyPart[];
  readonly to: number;
  readonly targetOffset: number;
  readonly length: number;
  readonly granularity: number;
  readonly zeroes: AsideZeroes;
}

/** Errors lose their codes on the way from one thread to another. */
export type CopyAnswer = Omit<AsideCopied, 'failure'> & {
  readonly failure?: { readonly verb: 'read' | 'write'; readonly at: number; readonly message: string; readonly code: string | undefined };
};

/** Each moves bytes between a file and the buffer, at least one, and says how many: none only at the end of a file. Throws what failed. */
export interface CopyCalls {
  /** Pieces that can not be read to their end are not begun. */
  readonly whole?: boolean;
  read(from: number, buffer: Uint8Array, start: number, length: number, offset: number): number;
  write(to: number, buffer: Uint8Array, start: number, length: number, offset: number): number;
}

export interface CopyMemory {
  /** Of one piece, `ASIDE_PIECE`: shorter ones cost more calls, longer ones do not stay in the processor's cache. */
  readonly buffer: Uint8Array;
  /** Zeroes. */
  readonly nothing: Buffer;
}

export interface Copier {
  /** Copies a piece; false: that was the last, or it failed. */
  step(): boolean;
  answer(): CopyAnswer;
}

/** Handed to another thread as text, so it uses nothing from outside its braces. */
export function copier(order: CopyOrder, { buffer, nothing }: CopyMemory, calls: CopyCalls): Copier {
  const { parts, to, targetOffset, length, granularity } = order;
  /** Runs of zeroes that one answer may have. */
  const mostRuns = 4096;
  const zeroes: { at: number; length: number }[] = [];
  let failure: { verb: 'read' | 'write'; error: NodeJS.ErrnoException } | undefined;
  /** Everything before it is done. */
  let at = 0;
  /** What lies before `at` and takes no room. */
  let packedBy = 0;
  let part = 0;
  /** Bytes of that part that were read. */
  let gone = 0;

  const isZero = (start: number, end: number): boolean => {
    if (buffer[start] !== 0 || buffer[end - 1] !== 0) return false;
    for (let from = start; from < end; from += nothing.length) {
      const until = Math.min(end, from + nothing.length);
      if (nothing.compare(buffer, from, until, 0, until - from) !== 0) return false;
    }
    return true;
  };
  const write = (start: number, end: number): void => {
    for (let done = start; done < end; ) {
      const count = calls.write(to, buffer, done, end - done, targetOffset + at - packedBy + done - start);
      if (count === 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
      done += count;
    }
  };
  const note = (run: number): void => {
    const last = zeroes[zeroes.length - 1];
    if (last !== undefined && last.at + last.length === at) last.length += run;
    else zeroes.push({ at, length: run });
  };
  /** How many bytes there are in the buffer: fewer than asked for where the next ones can not be read. */
  const read = (size: number): number => {
    let have = 0;
    while (have < size) {
      const { from, offset, length: all } = parts[part];
      const want = Math.min(size - have, all - gone);
      let count = 0;
      if (from >= 0) {
        try {
          count = calls.read(from, buffer, have, want, offset + gone);
        } catch (error) {
          failure = { verb: 'read', error: error as Error };
          break;
        }
      }
      // What lies behind the end of a file reads as zeroes.
      if (count === 0) buffer.fill(0, have, have + (count = want));
      have += count;
      gone += count;
      if (gone < all) continue;
      part++;
      gone = 0;
    }
    return have;
  };
  const copyPiece = (wanted: number): void => {
    const size = read(wanted);
    if (size < wanted && calls.whole === true) return;
    const step = granularity === 0 ? size : granularity;
    for (let start = 0; start < size; ) {
      const zero = granularity !== 0 && isZero(start, Math.min(start + step, size));
      let end = start + step;
      while (end < size && (granularity !== 0 && isZero(end, Math.min(end + step, size))) === zero) end += step;
      end = Math.min(end, size);
      if (!zero) write(start, end);
      else if (order.zeroes !== 'skip') note(end - start);
      if (zero && order.zeroes === 'pack') packedBy += end - start;
      at += end - start;
      start = end;
    }
  };

  return {
    step() {
      try {
        copyPiece(Math.min(buffer.length, length - at));
      } catch (error) {
        failure = { verb: 'write', error: error as Error };
      }
      return failure === undefined && at < length && zeroes.length < mostRuns;
    },
    answer() {
      if (failure === undefined) return { length: at, zeroes };
      const { verb, error } = failure;
      return { length: at, zeroes, failure: { verb, at, message: error.message, code: error.code } };
    },
  };
}
