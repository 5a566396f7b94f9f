/**
 * Long reads of several children that hold the same bytes: one of them, the leader, is asked for all of it, and what the others hold is read
 * behind it in steps that stay in the CPU's cache, and compared at once. Files in the page cache are so read without a thread, and while the leader's
 * server sends what comes next. Where the others take as long as the leader does, nothing is gained: then it is tried again later.
 */
import { turn } from '#compare';
import type { Edge } from './edge.js';
import { sameBytes } from './same-bytes.js';

/** Bytes of a step. */
const STEP = 256 * 1024;
/** Most long reads that go another way before it is tried again. */
const MOST_SKIPPED = 64;

/** What the leader gave. */
export interface Leading {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  /** When the leader was asked, by `performance.now()`. */
  readonly began: number;
}

/** That of a child: the same bytes, others, or an error. */
export type Followed = 'same' | 'other' | Error;

export class Followers {
  #skip = 0;
  #misses = 0;

  /** Whether a read of so many bytes is one for this. */
  take(length: number): boolean {
    if (length <= STEP) return false;
    if (this.#skip === 0) return true;
    this.#skip--;
    return false;
  }

  /** In the order of `children`. Never fails. `scratch` has room for a step. */
  async follow(children: readonly Edge[], leading: Leading, scratch: Uint8Array): Promise<Followed[]> {
    const { offset, bytes, start, length, began } = leading;
    const found = children.map((): Followed => 'same');
    const arrived = performance.now();
    // What others do in between does not count.
    let reading = 0;
    for (let at = 0; at < length; at += STEP) {
      if (at > 0) await turn();
      const size = Math.min(STEP, length - at);
      for (const [index, child] of children.entries()) {
        if (found[index] !== 'same') continue;
        try {
          const asked = performance.now();
          const done = child.read(offset + at, scratch, 0, size);
          if (done !== undefined) await done;
          reading += performance.now() - asked;
          if (!sameBytes(bytes, start + at, scratch, 0, size)) found[index] = 'other';
        } catch (error) {
          found[index] = error instanceof Error ? error : new Error(String(error), { cause: error });
        }
      }
    }
    this.#learn(arrived - began, reading);
    return found;
  }

  #learn(leader: number, others: number): void {
    if (others < leader) this.#misses = 0;
    else this.#skip = Math.min(2 ** ++this.#misses - 1, MOST_SKIPPED);
  }
}

/** Bytes that `follow` needs besides. */
export const FOLLOW_BYTES = STEP;
