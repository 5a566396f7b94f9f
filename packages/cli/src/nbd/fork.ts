/** `--fork`: the program is started again in the background; the first process ends when the second one listens. */
import { spawn, type StdioOptions } from 'node:child_process';

const MARK = 'BLK_NBD_FORKED';
const MARK_ACTIVATED = 'BLK_NBD_ACTIVATED';

/** Where the second process finds the descriptor. */
const ACTIVATED = 3;

/** Whether this is the second process. */
export function isForked(): boolean {
  return process.env[MARK] === '1';
}

/** Second process: the listening descriptor that the first one handed over, or undefined. */
export function forkedDescriptor(): number | undefined {
  return process.env[MARK_ACTIVATED] === '1' ? ACTIVATED : undefined;
}

/** Second process: clients can come. */
export function reportListening(): void {
  process.send?.('listening');
}

/**
 * Starts the same command in a process of its own; resolves when it listens, with its error output where it could not.
 * `activated`: a listening descriptor that goes along.
 */
export function forkNbd(
  program: string,
  words: readonly string[],
  activated: number | undefined,
): Promise<{ readonly code: number; readonly stderr: string }> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', ...(activated === undefined ? [] : [activated]), 'ipc'];
  const env = { ...process.env, [MARK]: '1', [MARK_ACTIVATED]: activated === undefined ? '0' : '1' };
  const child = spawn(process.execPath, [program, ...words], { detached: true, stdio, env });
  return new Promise((resolve, reject) => {
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.once('error', reject);
    child.once('message', () => {
      child.disconnect();
      child.stderr?.destroy();
      child.unref();
      resolve({ code: 0, stderr });
    });
    child.once('close', (code) => {
      resolve({ code: code ?? 1, stderr });
    });
  });
}
