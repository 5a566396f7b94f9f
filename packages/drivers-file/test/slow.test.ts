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

/** How long the event loop did not turn while `work` went on, in calls to the device; what is shorter than one call is not counted. */
async function stalledCalls(work: () => Promise<void>): Promise<number> {
  let last = performance.now();
  let stalled = 0;
  const turned = (): void => {
    const now = performance.now();
    if (now - last > DELAY * 0.8) stalled += (now - last) / DELAY;
    last = now;
  };
  const timer = setInterval(turned, 1);
  await work();
  clearInterval(timer);
  turned();
  return stalled;
}

describe.skipIf(reason !== '')(reason === '' ? 'a slow device' : `a slow device (skipped: ${reason})`, () => {
  it.each(MODES)('does not stall the event loop $mode', async ({ drivers }) => {
    using dir = tempDir();
    const socket = dir.file('socket');
    const mountpoint = dir.file('disk');
    writeFileSync(mountpoint, '');
    await using server = await start('nbdkit', ['-f', '-U', socket, '--filter=delay', 'memory', '8M', `rdelay=${DELAY}ms`, `wdelay=${DELAY}ms`]);
    await waitForSocket(socket, server);
    await using fuse = await start('nbdfuse', [mountpoint, '--unix', socket]);
    try {
      while (statSync(mountpoint).size === 0) await sleep(10);
      const graph = graphOf(drivers());
      const disk = await graph.openBackend({ driver: 'file', filename: mountpoint }, { writable: true, shared: Permission.All });
      const buffer = new Uint8Array(4096).fill(5);
      const stalled = await stalledCalls(async () => {
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
      // Of the 24 first reads and 12 writes each would count, were they made on the event loop. A busy machine makes one now and then.
      expect(stalled).toBeLessThan(12);
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
