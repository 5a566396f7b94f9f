// The exerciser without a terminal: requests that are really under way together, and drivers that stop them.
import { until } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { BlockError, BlockGraph, defineDriver, NO_LIMITS, type Breakpoints } from '@blk/core-graph';
import { nullAio } from '@blk/drivers-null';
import { IoSession, type IoProgram } from '../src/index.js';

function programTo(lines: string[]): IoProgram {
  const take = (text: string): void => { if (text !== '') lines.push(text); };
  return { name: 'qemu-io', out: take, err: take, now: () => 0, sleep: async () => undefined };
}

describe('requests in flight', () => {
  test('are started at once, told when they end, and waited for', async () => {
    const timers: (() => void)[] = [];
    const graph = new BlockGraph({
      drivers: [nullAio],
      host: { timer: (_ms, callback) => { timers.push(callback); return () => undefined; } },
    });
    const image = await graph.openBackend({ driver: 'null-aio', size: 1024, 'latency-ns': 5 }, { writable: true });
    const said: string[] = [];
    const session = new IoSession(programTo(said), image);
    expect(await session.run('aio_write -q 0 512')).toBe(true);
    expect(await session.run('aio_read -C 0 512')).toBe(true);
    expect(timers).toHaveLength(2);
    expect(said).toEqual([]);
    const flushed = session.run('aio_flush');
    timers[1]();
    timers[0]();
    await until(() => timers.length === 3);
    timers[2]();
    expect(await flushed).toBe(true);
    expect(said).toEqual([expect.stringMatching(/^512,1,/)]);
    await session.close();
    await graph.close();
  });
});

describe('breakpoints', () => {
  const asked: string[] = [];
  const points: Breakpoints = {
    set: async (event, tag) => { asked.push(`set ${event} ${tag}`); },
    remove: async () => { throw new BlockError('not-found', 'no such tag'); },
    resume: async (tag) => { asked.push(`resume ${tag}`); },
    clear: () => undefined,
    suspended: async (tag) => { asked.push(`suspended ${tag}`); },
  };
  const debug = defineDriver({
    name: 'debug',
    role: 'protocol',
    options: {},
    open: async () => ({ size: 512, limits: NO_LIMITS, read: () => undefined, breakpoints: points, close: async () => undefined }),
  });
  // Stands for a format: does not stop anything, and lies in something that does.
  const above = defineDriver<{ file: unknown }>({
    name: 'above',
    role: 'format',
    options: {},
    children: { file: 'required' },
    open: async ({ file }, context) => {
      const child = await context.child('file', file, 'storage');
      return { size: child.size, limits: NO_LIMITS, read: () => undefined, close: async () => undefined };
    },
  });

  test('are the business of the first driver from the top that has them', async () => {
    const graph = new BlockGraph({ drivers: [debug, above] });
    const said: string[] = [];
    const session = new IoSession(programTo(said), await graph.openBackend({ driver: 'above', file: { driver: 'debug' } }, { readOnly: true }));
    expect(await session.run('break read_aio A')).toBe(true);
    expect(await session.run('wait_break A')).toBe(true);
    expect(await session.run('resume A')).toBe(true);
    expect(await session.run('remove_break A')).toBe(false);
    expect(asked).toEqual(['set read_aio A', 'suspended A', 'resume A']);
    expect(said).toEqual(['Could not remove breakpoint A: No such file or directory\n']);
    await session.close();
    await graph.close();
  });

  test('what only a program can do is refused without one', async () => {
    const said: string[] = [];
    const session = new IoSession(programTo(said));
    for (const line of ['abort', 'sigraise 9', 'open x']) expect(await session.run(line)).toBe(false);
    expect(said).toEqual(["qemu-io: 'abort' is not available here\n", "qemu-io: 'sigraise' is not available here\n", "qemu-io: 'open' is not available here\n"]);
  });
});
