// Programs that go on beside a test: bounded in time, ended by their process id, never by name.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { connect } from 'node:net';
import { environment, type RunOptions } from './run.js';

/** How a program is started. */
export interface StartOptions {
  /** Milliseconds until it is killed, whatever happens to the test. Default 600,000. */
  readonly lifetime?: number;
  readonly cwd?: string;
  readonly env?: RunOptions['env'];
}

/** A program that runs until it is disposed of. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly process: ChildProcessWithoutNullStreams;
  /** What it wrote to standard error so far. */
  stderr(): string;
  /** Settles when it has ended: its exit code, or -1 if a signal ended it. */
  readonly exited: Promise<number>;
  /** Sends a signal, SIGTERM unless told otherwise, and waits for the end; after five seconds it is SIGKILL. */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

/**
 * Starts a program. Its standard output must be read by the caller if it prints more than a pipe holds.
 * @throws Error if it cannot be started.
 */
export async function start(program: string, args: readonly string[], options: StartOptions = {}): Promise<Running> {
  const child = spawn(program, args, { cwd: options.cwd, env: environment(options.env), stdio: 'pipe' });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr = (stderr + chunk).slice(-65_536)));
  child.stdin.on('error', () => undefined);
  const exited = new Promise<number>((resolve) => child.on('close', (code) => { resolve(code ?? -1); }));
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => { reject(new Error(`${program}: cannot be started`, { cause })); });
  });
  const end = setTimeout(() => child.kill('SIGKILL'), options.lifetime ?? 600_000);
  const atExit = (): void => void child.kill('SIGKILL');
  process.once('exit', atExit);
  void exited.then(() => {
    clearTimeout(end);
    process.off('exit', atExit);
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number> => {
    child.kill(signal);
    const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
    const code = await exited;
    clearTimeout(hard);
    return code;
  };
  return {
    pid: child.pid as number,
    process: child,
    stderr: () => stderr,
    exited,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

/** What to wait for. */
export interface WaitOptions {
  /** Milliseconds until it is given up. Default 20,000. */
  readonly timeout?: number;
  /**
   * Also wait until the server speaks, as NBD servers do first: a socket accepts connections from the moment it listens, which
   * may be before the server has opened what it serves.
   */
  readonly greeting?: boolean;
}

/**
 * Waits until a unix socket, or a port of the loopback interface, accepts connections. Each try is a connection of its own, so the server must allow it.
 * @throws Error if the server ends first or the time is up; the server is ended then.
 */
export async function waitForSocket(place: string | number, server: Running, options: WaitOptions = {}): Promise<void> {
  const { timeout = 20_000, greeting = false } = options;
  const deadline = Date.now() + timeout;
  let tries = 0;
  let ended: number | undefined;
  void server.exited.then((code) => (ended = code));
  while (!(await accepts(place, greeting, deadline))) {
    if (ended !== undefined) throw new Error(`the server ended with ${ended} before it listened: ${server.stderr()}`);
    if (Date.now() > deadline && ++tries > LATE_TRIES) {
      await server.stop();
      throw new Error(`no server on ${place} after ${timeout} ms: ${server.stderr()}`);
    }
    // Nothing announces that another process has called listen().
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Tries once time is up: whoever was stopped for a while has not looked meanwhile. */
const LATE_TRIES = 20;

function accepts(place: string | number, greeting: boolean, deadline: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(typeof place === 'string' ? { path: place } : { host: '127.0.0.1', port: place });
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once(greeting ? 'data' : 'connect', () => { settle(true); });
    socket.once('error', () => { settle(false); });
    socket.once('close', () => { settle(false); });
    socket.setTimeout(Math.max(1000, deadline - Date.now()), () => { settle(false); });
  });
}
