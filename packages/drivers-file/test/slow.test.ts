/** A device that takes 300 ms for everything never holds the event loop up. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { skipUnless, start, tempDir, waitForSocket } from '@blk/oracle';
import { Permission } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { MODES, graphOf } from './support.js';

const DELAY = 300;
const tools = skipUnless('nbdkit');
const reason = tools.reason !== '' ? tools.reason : spawnSync('nbdfuse', ['--version']).error ? 'nbdfuse not installed' : existsSync('/dev/fuse') && process.getuid?.() === 0 ? '' : 'no FUSE';

/** The longest time, in milliseconds, that the event loop did not turn while `work` went on. */
async function longestStall(work: () => Promise<void>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  await work();
  clearInterval(timer);
  return Math.max(longest, performance.now() - last);
}

describe.skipIf(reason !== '')(reason === '' ? 'a slow device' : `a slow device (skipped: ${reason})`, () => {
  it.each(MODES)('does not stall the event loop $mode', async ({ drivers }) => {
    using dir = tempDir();
    const socket = dir.file('socket');
    const mountpoint = dir.file('disk');
    writeFileSync(mountpoint, '');
    await using server = await start('nbdkit', ['-f', '-U', socket, '--filter=delay', 'memory', '8M', `rdelay=${DELAY}ms`, `wdelay=${DELAY}ms`], { lifetime: 60_000 });
    await waitForSocket(socket, server);
    await using fuse = await start('nbdfuse', [mountpoint, '--unix', socket], { lifetime: 60_000 });
    try {
      while (statSync(mountpoint).size === 0) await sleep(10);
      const graph = graphOf(drivers());
      const disk = await graph.openBackend({ driver: 'file', filename: mountpoint }, { writable: true, shared: Permission.All });
      const buffer = new Uint8Array(4096).fill(5);
      const stall = await longestStall(async () => {
        // Four streams: some blocks are cached by then, others not.
        await Promise.all(
          [0, 1, 2, 3].map(async (stream) => {
            for (let i = 0; i < 6; i++) {
              const into = new Uint8Array(4096);
              for (let again = 0; again < 12; again++) await disk.read(stream * 0x200000 + i * 0x40000, into, 0, 4096);
              if (i % 2 === 0) await disk.write(stream * 0x200000 + i * 0x40000, buffer, 0, 4096);
            }
          }),
        );
        await disk.flush();
      });
      // Half of what one blocking call would take; a machine that is busy itself takes some of it.
      expect(stall).toBeLessThan(DELAY / 2);
      const found = new Uint8Array(4096);
      await disk.read(0x200000, found, 0, 4096);
      expect(found.every((byte) => byte === 5)).toBe(true);
      await disk.close();
    } finally {
      execFileSync('umount', [mountpoint]);
      await fuse.stop();
    }
  });
});
