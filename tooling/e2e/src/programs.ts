// Starting `blk` as a user does: the built file, in a process of its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run, start, waitForSocket, type RunOptions, type RunResult, type Running } from '@blk/oracle';
import { connectQmp, type QmpConnection } from './qmp-connection.js';

const PROGRAM = join(import.meta.dirname, '../../../packages/cli/dist/blk.cjs');

/** Runs `blk` to its end. */
export function blk(args: readonly string[], options?: RunOptions): Promise<RunResult> {
  return run(process.execPath, [program(), ...args], options);
}

export interface DaemonOptions {
  /** Arguments of `blk serve`, in order, before the monitor. */
  readonly args?: readonly string[];
  /** Where the monitor listens; none unless given. */
  readonly monitor?: string;
  /** Socket that tells that the daemon is ready, where it is not the monitor. */
  readonly ready?: string;
  /** Added to its environment. */
  readonly env?: RunOptions['env'];
}

export interface Daemon extends Running {
  readonly qmp: QmpConnection | undefined;
}

/** Starts `blk serve` and waits until it listens. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const monitor = options.monitor;
  const words = [
    ...(options.args ?? []),
    ...(monitor === undefined ? [] : ['--chardev', `socket,id=mon,path=${monitor},server=on,wait=off`, '--monitor', 'chardev=mon']),
  ];
  const daemon = await start(process.execPath, [program(), 'serve', ...words], { env: options.env });
  daemon.process.stdout.resume();
  try {
    const socket = monitor ?? options.ready;
    if (socket !== undefined) await waitForSocket(socket, daemon);
    return { ...daemon, qmp: monitor === undefined ? undefined : await connectQmp(monitor) };
  } catch (error) {
    await daemon.stop();
    throw error;
  }
}

function program(): string {
  if (!existsSync(PROGRAM)) throw new Error('the end-to-end tests run the built program: npm run build first');
  return PROGRAM;
}
