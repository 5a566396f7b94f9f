import { join } from 'node:path';
import { BlockError, defineDriver, ManualClock, openImage } from '@blk/core-graph';
import { runReadmeExample } from '@blk/driver-conformance';
import { describe, expect, it } from 'vitest';
import { checkReadable, checkSettings, checkUrl, openingError, Patience, ReadAhead, RemoteNode, Watchdog } from '../src/index.js';

const failure = new BlockError('io', 'broken');

/** A clock that only writes down what it is asked for. */
function eager(): { readonly pauses: number[]; timer(ms: number, callback: () => void): () => void } {
  const pauses: number[] = [];
  return { pauses, timer: (ms, callback) => { pauses.push(ms); setImmediate(callback); return () => undefined; } };
}

describe('patience', () => {
  it('ends after five attempts in a row', async () => {
    const host = eager();
    const patience = new Patience({ host, signal: new AbortController().signal });
    for (let i = 0; i < 4; i++) await patience.again(failure);
    await expect(patience.again(failure)).rejects.toBe(failure);
    expect(host.pauses).toEqual([100, 400, 1600]);
  });

  it('begins anew after real progress only', async () => {
    const patience = new Patience({ host: eager(), signal: new AbortController().signal, attempts: 2 });
    for (let i = 0; i < 9; i++) await patience.again(failure, 64 * 1024);
    await expect(patience.again(failure, 64 * 1024 - 1)).rejects.toBe(failure);
  });

  it.each(['corrupt', 'permission', 'not-found', 'invalid-argument', 'too-large', 'closed'] as const)('has none for kind %s', async (kind) => {
    const final = new BlockError(kind, 'no');
    await expect(new Patience({ host: eager(), signal: new AbortController().signal }).again(final)).rejects.toBe(final);
    await expect(new Patience({ host: eager(), signal: new AbortController().signal }).again(new TypeError('a bug'))).rejects.toThrow('a bug');
  });

  it('ends with its signal', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const patience = new Patience({ host: clock, signal: abort.signal });
    await patience.again(failure);
    const waiting = patience.again(failure);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(clock.pending).toBe(0);
  });
});

describe('a watchdog', () => {
  const watch = (timeout = 5000): { clock: ManualClock; dog: Watchdog; abort: AbortController } => {
    const clock = new ManualClock();
    const abort = new AbortController();
    return { clock, abort, dog: new Watchdog({ host: clock, driver: 'test', timeout, signal: abort.signal }) };
  };
  /** A period, and the look at what has come meanwhile. */
  const pass = (clock: ManualClock, ms = 5000): void => {
    clock.advance(ms * 1e6);
    clock.advance(1);
  };

  it('barks when nothing comes', () => {
    const { clock, dog } = watch();
    pass(clock, 4999);
    expect(dog.signal.aborted).toBe(false);
    pass(clock, 1);
    expect(dog.signal.reason).toMatchObject({ kind: 'timeout', message: 'The server is too slow: no answer within 5 s' });
  });

  it('is content with 1 KiB a second, and not with less', () => {
    const { clock, dog } = watch();
    for (let i = 0; i < 3; i++) {
      dog.progress(5120);
      pass(clock);
    }
    expect(dog.signal.aborted).toBe(false);
    dog.progress(5119);
    pass(clock);
    expect(dog.signal.reason).toMatchObject({ message: 'The server is too slow: only 5119 bytes within 5 s' });
  });

  it('is silent when it is over, where there is no time-out, and passes on what it is told', () => {
    const { clock, dog } = watch();
    dog.done();
    pass(clock, 50_000);
    expect(dog.signal.aborted).toBe(false);
    const endless = watch(0);
    expect(endless.clock.pending).toBe(0);
    endless.abort.abort(new Error('closed'));
    expect(endless.dog.signal.reason).toMatchObject({ message: 'closed' });
  });
});

describe('what these drivers share', () => {
  it('is what the README shows', async () => {
    const logged = await runReadmeExample(join(import.meta.dirname, '..'), { defineDriver, openImage, checkReadable, ReadAhead, RemoteNode });
    expect(logged).toEqual([[1_000_000, new Uint8Array([500 % 251, 501 % 251, 502 % 251])]]);
  });

  it('is one table of options', () => {
    expect(checkSettings('x', {})).toMatchObject({ readahead: 262_144, timeout: 5000 });
    expect(() => checkSettings('x', { readahead: 513 })).toThrow('HTTP_READAHEAD_SIZE 513 is not a multiple of 512');
    expect(() => checkSettings('x', { timeout: 10_001 })).toThrow('timeout parameter is too large or negative');
    expect(checkUrl('ftp', { url: 'ftp://h/x' })).toBe('ftp://h/x');
    expect(() => checkUrl('ftp', { url: 'http://h/x' })).toThrow("ftp curl driver cannot handle the URL 'http://h/x' (does not start with 'ftp://')");
    expect(() => { checkReadable('x', { readOnly: false }); }).toThrow('curl driver does not support writes');
    expect(openingError('x', failure)).toMatchObject({ kind: 'io', message: 'CURL: Error opening file: broken' });
    expect(openingError('x', new Error('other'))).toMatchObject({ kind: 'io', message: 'CURL: Error opening file: other' });
  });

  it('is one node: all data, and no word of the space it takes', async () => {
    let closed = 0;
    const node = new RemoteNode({ driver: 'x', filename: 'x://h', size: 9, read: () => undefined, close: async () => { closed++; } });
    expect(node.extent(2, 5)).toMatchObject({ length: 5, data: true, zero: false, hostOffset: 2 });
    expect(() => node.allocatedSize()).toThrow(BlockError);
    await node.close();
    expect(closed).toBe(1);
  });
});
