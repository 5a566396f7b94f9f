/** What a daemon gets from the program that runs it, so that it can be run inside of another, and by tests. */
import type { Readable, Writable } from 'node:stream';
import type { BlockDriver } from '@blk/core-graph';
import type { BlkServer } from '../server.js';

export interface DaemonIo {
  /** The name before messages: `blk-qmp-server`. */
  readonly program: string;
  /** The drivers that may be used. */
  readonly drivers: readonly BlockDriver[];
  /** Defaults: those of the process. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /**
   * Arguments of Node that start this program again, before the daemon's own: for `--daemonize`. Default: the file that
   * the process was started with.
   */
  readonly restart?: readonly string[];
  /** Ends the daemon as SIGTERM does. Where it is given, the signals of the process are left alone. */
  readonly signal?: AbortSignal;
  /** Called when everything is set up, before the daemon is. */
  readonly ready?: (server: BlkServer) => void | Promise<void>;
}

/** A daemon's surroundings, complete. */
export interface Surroundings {
  readonly io: DaemonIo;
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Writes one message to standard error, with the program's name before it. */
  say(message: string): void;
}

export function surroundings(io: DaemonIo): Surroundings {
  const stderr = io.stderr ?? process.stderr;
  // Whoever read the messages may leave; the daemon has other users.
  if (!stderr.listeners('error').includes(ignore)) stderr.on('error', ignore);
  const stdout = io.stdout ?? process.stdout;
  if (!stdout.listeners('error').includes(ignore)) stdout.on('error', ignore);
  return {
    io,
    stdin: io.stdin ?? process.stdin,
    stdout,
    say: (message) => void stderr.write(`${io.program}: ${message}\n`),
  };
}

function ignore(): void {
  // Nothing to be done, and nobody to tell.
}
