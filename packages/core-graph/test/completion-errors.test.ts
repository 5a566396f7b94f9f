import { describe, expect, it } from 'vitest';
import { andThen, BlockError, errnoNumber, errnoOf, isPromise, messageOf, repeat, strerror, systemError } from '../src/index.js';
import { turn } from './support.js';

describe('completions', () => {
  it('stay without a promise as long as every step does', () => {
    let steps = 0;
    expect(repeat(() => (steps++ < 5 ? undefined : false))).toBeUndefined();
    expect(steps).toBe(6);
    expect(andThen(undefined, () => undefined)).toBeUndefined();
  });

  it('go on after one that has to wait, in order', async () => {
    const order: number[] = [];
    let step = 0;
    await repeat(() => {
      const here = step++;
      if (here === 6) return false;
      if (here % 2 === 0) {
        order.push(here);
        return;
      }
      return turn().then(() => void order.push(here));
    });
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    let after = false;
    await andThen(turn(), () => {
      after = true;
    });
    expect(after).toBe(true);
  });

  it('pass errors on, thrown or rejected', async () => {
    expect(() =>
      repeat(() => {
        throw new Error('now');
      }),
    ).toThrow('now');
    let first = true;
    await expect(
      repeat(() => {
        if (!first) throw new Error('then');
        first = false;
        return turn();
      }),
    ).rejects.toThrow('then');
    await expect(andThen(Promise.reject(new Error('x')), () => undefined)).rejects.toThrow('x');
  });

  it('tells promises from values', () => {
    expect([isPromise(Promise.resolve()), isPromise(undefined), isPromise(null), isPromise({ then: 5 })]).toEqual([true, false, false, false]);
  });
});

describe('errors', () => {
  it('carry an errno: their own, or that of their kind', () => {
    expect(new BlockError('no-space', 'x').errno).toBe('ENOSPC');
    expect(new BlockError('io', 'x', { code: 'EREMOTEIO' }).errno).toBe('EREMOTEIO');
    expect([errnoOf({ code: 'ENOENT' }), errnoOf({ code: 'WEIRD' }), errnoOf('text'), errnoOf(null)]).toEqual(['ENOENT', 'EIO', 'EIO', 'EIO']);
    expect([errnoNumber('ENOSPC'), errnoNumber('WEIRD')]).toEqual([28, 5]);
    expect([strerror('ENOSPC'), strerror('WEIRD')]).toEqual(['No space left on device', 'WEIRD']);
  });

  it('are made of errors of the system, with their kind and their text', () => {
    const cause = Object.assign(new Error('raw'), { code: 'EACCES' });
    const error = systemError("Could not open 'x'", cause, { filename: 'x' });
    expect(error).toMatchObject({ kind: 'permission', message: "Could not open 'x': Permission denied", context: { filename: 'x', code: 'EACCES' }, cause });
    expect(systemError('y', error)).toBe(error);
    expect(messageOf('text')).toBe('text');
  });
});
