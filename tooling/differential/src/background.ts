// Programs that go on beside the commands of a scenario: servers under test, and holders of locks.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, isListening } from '@blk/oracle';
import type { Outcome } from './sides.js';

const TIMEOUT = 20_000;
const STEP = 5;

/** Ends a program in the background by its pid file, and waits until it is gone. */
export async function endByPidFile(path: string): Promise<void> {
  const pid = Number(readFileSync(path, 'utf8'));
  process.kill(pid);
  for (const begin = performance.now(); isAlive(pid) && performance.now() - begin < TIMEOUT; ) {
    await new Promise((resolve) => setTimeout(resolve, STEP));
  }
}

/** A process that nobody has waited for yet is gone as well. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export class Background {
  #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  readonly #ended: Promise<number>;
  #isEnded = false;

  private constructor(program: string, words: readonly string[], cwd: string) {
    const child = spawn(program, words, { cwd, env: environment(), stdio: 'pipe' });
    child.stdin.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.on('error', () => { resolve(-1); });
      child.on('close', (code) => { resolve(code ?? -1); });
    });
    void this.#ended.then(() => (this.#isEnded = true));
  }

  /** Starts a server; resolves when it listens on `socket` or has ended. */
  static async server(program: string, words: readonly string[], cwd: string, socket: string): Promise<Background> {
    const server = new Background(program, words, cwd);
    await server.#until(() => isListening(join(cwd, socket)));
    return server;
  }

  /** Lets the reference's qemu-io hold an image open, with its locks. */
  static async holder(program: string, words: readonly string[], cwd: string): Promise<Background> {
    const holder = new Background(program, words, cwd);
    await holder.#until(() => holder.#stdout.includes('qemu-io>'));
    return holder;
  }

  /** Ends it by SIGTERM, unless it ended by itself. */
  async stop(): Promise<Outcome> {
    if (!this.#isEnded) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), TIMEOUT);
    const code = await this.#ended;
    clearTimeout(timer);
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** Resolves when it ended by itself, as a server does when its last client has left. */
  async wait(): Promise<Outcome> {
    await this.#until(() => this.#isEnded);
    return this.stop();
  }

  async #until(there: () => boolean): Promise<void> {
    for (const begin = performance.now(); !this.#isEnded && !there(); ) {
      if (performance.now() - begin > TIMEOUT) return;
      await new Promise((resolve) => setTimeout(resolve, STEP));
    }
  }
}
