/** `--daemonize`: the program is started again without a terminal; the first process ends when the second is ready. */
import { spawn, type StdioOptions } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { messageOf } from '@blk/core-graph';
import type { Argument } from './arguments.js';
import type { Surroundings } from './io.js';

/** Names the descriptor on which the second process says that it is ready. */
const READY = 'BLK_DAEMON_READY_FD';

/** Whether this is the second process. */
export function isDaemon(): boolean {
  return process.env[READY] !== undefined;
}

/** Second process: everything is set up. */
export function reportReady(): void {
  const fd = Number(process.env[READY]);
  delete process.env[READY];
  writeSync(fd, 'ready');
  closeSync(fd);
}

/** First process: starts the second. Resolves with an exit code: 0 when the second is ready, else what it ended with. */
export function startDaemon(around: Surroundings, argv: readonly string[], parsed: readonly Argument[]): Promise<number> {
  const inherited = inheritedDescriptors(parsed);
  const ready = Math.max(2, ...inherited) + 1;
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe'];
  for (let fd = 3; fd < ready; fd++) stdio[fd] = inherited.includes(fd) ? fd : 'ignore';
  stdio[ready] = 'pipe';
  const restart = around.io.restart ?? process.argv.slice(1, 2);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...process.execArgv, ...restart, ...argv], {
      detached: true,
      stdio,
      env: { ...process.env, [READY]: String(ready) },
    });
    const stderr = around.io.stderr ?? process.stderr;
    child.stderr?.on('data', (chunk: Buffer) => void stderr.write(chunk));
    child.on('error', (error) => {
      around.say(`cannot start the daemon: ${messageOf(error)}`);
      resolve(1);
    });
    child.stdio[ready]?.on('data', () => {
      child.unref();
      for (const stream of child.stdio) stream?.destroy();
      resolve(0);
    });
    // Its last words are read before its end is believed.
    child.on('close', (code) => {
      resolve(code ?? 1);
    });
  });
}

/** Descriptors that options name, and that the second process therefore needs. */
function inheritedDescriptors(parsed: readonly Argument[]): number[] {
  const found = new Set<number>();
  for (const { name, value } of parsed) {
    const pattern = name === 'chardev' ? /(?:^|,)fd=(\d{1,4})(?=,|$)/g : name === 'nbd-server' ? /(?:^|,)addr\.str=(\d{1,4})(?=,|$)/g : undefined;
    if (pattern !== undefined) for (const match of value.matchAll(pattern)) found.add(Number(match[1]));
  }
  return [...found].filter((fd) => fd > 2);
}
