import { describe, expect, it } from 'vitest';
import { andAlways, isPromise, Together, type Completion, type Edge } from '../src/index.js';

const CHILDREN = ['a', 'b', 'c'].map((name) => ({ name }) as Edge);

describe('requests to several children', () => {
  it('are done at once where all are, and tell who failed', () => {
    const together = new Together();
    expect(together.ask(CHILDREN, () => undefined)).toBeUndefined();
    const full = new Error('full');
    expect(together.ask(CHILDREN, (_, index) => { if (index === 1) throw full; })).toEqual([undefined, full, undefined]);
  });

  it('wait for all, however they fail', async () => {
    const asked: string[] = [];
    const failures = new Together().ask(CHILDREN, ({ name }): Completion => {
      asked.push(name);
      if (name === 'a') return Promise.reject(new Error('late'));
      if (name === 'b') throw new Error('at once');
      return Promise.resolve();
    });
    expect(asked).toEqual(['a', 'b', 'c']);
    expect(isPromise(failures)).toBe(true);
    expect((await failures)?.map((error) => error?.message)).toEqual(['late', 'at once', undefined]);
  });

  it('ask first whoever was the last to answer, as long as it is there', async () => {
    const together = new Together();
    const round = async (children: readonly Edge[], slow: string): Promise<string> => {
      let asked = '';
      await together.ask(children, async ({ name }) => {
        asked += name;
        for (let turns = name === slow ? 20 : 1; turns > 0; turns--) await Promise.resolve();
      });
      return asked;
    };
    expect(await round(CHILDREN, 'c')).toBe('abc');
    expect(await round(CHILDREN, 'b')).toBe('cab');
    expect(await round(CHILDREN, 'c')).toBe('bac');
    expect(await round(CHILDREN.slice(0, 2), 'a')).toBe('ab');
  });
});

describe('what is always done afterwards', () => {
  it('is done once, whether the work is done at once, later or not at all', async () => {
    let count = 0;
    const after = (): void => { count++; };
    expect(andAlways(() => undefined, after)).toBeUndefined();
    expect(count).toBe(1);
    await andAlways(() => Promise.resolve(), after);
    expect(count).toBe(2);
    expect(() => andAlways(() => { throw new Error('now'); }, after)).toThrow('now');
    expect(count).toBe(3);
    await expect(andAlways(() => Promise.reject(new Error('later')), after)).rejects.toThrow('later');
    expect(count).toBe(4);
  });
});
