// Runs a program to its end, bounded in time and in output.
import { spawn } from 'node:child_process';

/** How a program is run. */
export interface RunOptions {
  /** Milliseconds until the program is killed and the call rejects. Default 60,000. */
  readonly timeout?: number;
  /** Written to its standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Added to the environment; undefined takes a variable out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** What a program that ended by itself left behind. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program and collects its output; a non-zero exit is a result, not an error.
 * @throws Error if it cannot be started, runs past `timeout`, dies of a signal or prints more than 64 MiB.
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const timeout = options.timeout ?? 60_000;
  const shown = [program, ...args].join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: options.cwd, env: environment(options.env), stdio: 'pipe' });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let size = 0;
    let verdict: string | undefined;
    const stop = (why: string): void => {
      verdict ??= why;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => { stop(`ran longer than ${timeout} ms`); }, timeout);
    const collect = (into: Buffer[]) => (chunk: Buffer): void => {
      size += chunk.length;
      if (size > MAX_OUTPUT) stop(`printed more than ${MAX_OUTPUT} bytes`);
      else into.push(chunk);
    };
    child.stdout.on('data', collect(stdout));
    child.stderr.on('data', collect(stderr));
    child.stdin.on('error', () => undefined); // it may end without reading its input
    child.stdin.end(options.input);
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(new Error(`${shown}: cannot be started`, { cause }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const result = { code: code ?? -1, stdout: text(stdout), stderr: text(stderr) };
      if (verdict === undefined && code === null) verdict = `ended by ${signal}`;
      if (verdict === undefined) resolve(result);
      else reject(new Error(`${shown}: ${verdict}\n${result.stderr}`));
    });
  });
}

/** This process's environment with changes. Node's extra certificates are left out: they only slow its start. */
export function environment(changes: RunOptions['env'] = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...changes };
  delete env['NODE_EXTRA_CA_CERTS'];
  return env;
}

const MAX_OUTPUT = 64 * 1024 * 1024;

const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
