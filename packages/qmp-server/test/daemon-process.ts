/** The program itself, bundled from its sources, in a process of its own. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { start, type Running, type StartOptions } from '@blk/oracle';
import { TestClient } from './support.js';

export interface Program extends AsyncDisposable {
  readonly path: string;
  start(args: readonly string[], options?: StartOptions): Promise<Running>;
}

/** Bundles the program into a folder that goes away. Packages from outside are found where they are installed. */
export async function bundleProgram(): Promise<Program> {
  // A fresh install puts everything at the root, and leaves the package without a folder of its own.
  const modules = join(import.meta.dirname, '../node_modules');
  mkdirSync(modules, { recursive: true });
  const dir = mkdtempSync(join(modules, '.program-'));
  const path = join(dir, 'blk-qmp-server.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, '../src/blk-qmp-server.ts')],
    outdir: dir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // As in the published one, what is imported when it is needed costs nothing before.
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@blk/source'],
    external: ['koffi', 'ssh2'],
    logLevel: 'error',
  });
  return {
    path,
    async start(args, options) {
      const running = await start(process.execPath, [path, ...args], options);
      running.process.stdout.resume();
      return running;
    },
    async [Symbol.asyncDispose]() {
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A monitor behind a socket, past negotiation; waits for the socket to be there. */
export async function connectMonitor(target: string | number, server?: Running): Promise<TestClient> {
  return new TestClient(await connectSocket(target, server)).negotiate();
}

export async function connectSocket(target: string | number, server?: Running): Promise<Socket> {
  let ended = false;
  void server?.exited.then(() => (ended = true));
  for (;;) {
    const socket = typeof target === 'string' ? connect(target) : connect(target, '127.0.0.1');
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once('connect', () => { resolve(undefined); });
      socket.once('error', resolve);
    });
    if (error === undefined) return socket;
    if (ended || server === undefined || !['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '')) throw new Error(`${error.message}: ${server?.stderr()}`);
    // Nothing announces that another process has called listen().
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
