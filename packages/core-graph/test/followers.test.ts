import { describe, expect, it } from 'vitest';
import { BufferPool, Followers, type Completion, type Edge } from '../src/index.js';

const LENGTH = 2 << 20;

/** Children of the same bytes; each notes what it is asked for. */
class Child {
  readonly asked: number[] = [];
  /** Milliseconds of a read; undefined: at once. */
  delay: number | undefined;
  failure: Error | undefined;
  readonly bytes: Uint8Array;

  constructor(value = 7) {
    this.bytes = new Uint8Array(LENGTH).fill(value);
  }

  get edge(): Edge {
    return { read: (offset: number, buffer: Uint8Array, start: number, length: number) => this.#read(offset, buffer, start, length) } as unknown as Edge;
  }

  #read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    this.asked.push(length);
    const { failure, delay } = this;
    if (delay !== undefined) return new Promise((resolve) => { setTimeout(resolve, delay); }).then(() => this.#give(offset, buffer, start, length));
    if (failure !== undefined) throw failure;
    this.#give(offset, buffer, start, length);
  }

  #give(offset: number, buffer: Uint8Array, start: number, length: number): void {
    if (this.failure !== undefined) throw this.failure;
    buffer.set(this.bytes.subarray(offset, offset + length), start);
  }
}

function group(count: number) {
  const children = Array.from({ length: count }, () => new Child());
  const followers = new Followers(new BufferPool());
  const bytes = new Uint8Array(LENGTH);
  const read = () => followers.read(children.map(({ edge }) => edge), { offset: 0, bytes, start: 0, length: LENGTH });
  return { children, bytes, read };
}

const whole = ({ asked }: Child): boolean => asked.length === 1 && asked[0] === LENGTH;

describe('long reads of several children', () => {
  it('ask one for all of it, and the others in steps', async () => {
    const { children, bytes, read } = group(3);
    // Slow enough for the others to follow.
    children[0].delay = 50;
    expect(await read()).toEqual(['same', 'same', 'same']);
    expect(bytes.every((byte) => byte === 7)).toBe(true);
    expect(children.map(whole)).toEqual([true, false, false]);
    expect(children[1].asked.reduce((sum, length) => sum + length, 0)).toBe(LENGTH);
  });

  it('are led by whoever took longest, and others wait until that is known', async () => {
    const { children, read } = group(2);
    children[1].delay = 20;
    await Promise.all([read(), read()]);
    // Each led once.
    expect(children.map(({ asked }) => asked.filter((length) => length === LENGTH).length)).toEqual([1, 1]);
  });

  it('tell who has other bytes, wherever they are', async () => {
    for (const at of [0, 700_000, LENGTH - 1]) {
      const { children, read } = group(3);
      children[2].bytes[at] = 8;
      expect(await read()).toEqual(['same', 'same', 'other']);
    }
  });

  it('are led by another where the leader fails', async () => {
    const { children, bytes, read } = group(3);
    const failure = new Error('gone');
    children[0].failure = failure;
    expect(await read()).toEqual([failure, 'same', 'same']);
    expect(bytes.every((byte) => byte === 7)).toBe(true);
    for (const child of children) child.failure = failure;
    expect(await read()).toEqual([failure, failure, failure]);
  });

  it('bear failures of slow ones, and of those that follow', async () => {
    const { children, read } = group(3);
    for (const child of children) child.delay = 5;
    for (let round = 0; round < 6; round++) {
      children.forEach((child, index) => { child.failure = index === round % 3 ? new Error('gone') : undefined; });
      expect((await read()).map((each) => (each instanceof Error ? 'failed' : each))).toEqual(children.map(({ failure }) => (failure === undefined ? 'same' : 'failed')));
    }
  });
});
