// What a file on another machine tells of its failures.
import { BlockError } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { RemoteNode } from '../src/index.js';

/** A node whose reads fail with what `failures` gives, one after the other; and what it tells. */
function failing(...failures: readonly (Error | undefined)[]): { read: () => Promise<unknown>; told: string[] } {
  const told: string[] = [];
  let at = 0;
  const node = new RemoteNode({
    driver: 'http', filename: 'http://me:geheim@h/x', size: 512,
    read: () => {
      const failure = failures[at++ % failures.length];
      if (failure === undefined) return;
      if (at % 2 === 0) throw failure;
      return Promise.reject(failure);
    },
    close: () => Promise.resolve(),
    warn: (message) => { told.push(message); },
  });
  return { read: async () => node.read(0, new Uint8Array(512), 0, 512), told };
}

describe('a read that fails', () => {
  it('says why, once in a row, and shows no password', async () => {
    const [first, second] = [new BlockError('io', 'The server is ill'), new BlockError('corrupt', 'The file has changed')];
    const { read, told } = failing(first, first, first, second, second, first);
    for (let i = 0; i < 6; i++) await expect(read()).rejects.toBeInstanceOf(BlockError);
    expect(told).toEqual(['The server is ill', 'The file has changed', 'The server is ill'].map((why) => `warning: http://me:***@h/x: ${why}`));
  });

  it('says nothing where it was called off', async () => {
    const { read, told } = failing(new BlockError('closed', 'closed'), new BlockError('aborted', 'aborted'), undefined);
    await expect(read()).rejects.toThrow('closed');
    await expect(read()).rejects.toThrow('aborted');
    await read();
    expect(told).toEqual([]);
  });

  it('does not say more and more', async () => {
    const { read, told } = failing(...Array.from({ length: 30 }, (_, number) => new BlockError('io', `at ${number}`)));
    for (let i = 0; i < 30; i++) await expect(read()).rejects.toThrow(`at ${i}`);
    expect(told).toHaveLength(20);
  });
});
