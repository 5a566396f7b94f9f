/** `blk nbd`: one image as an NBD export, until the last client left or a signal came. */
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { BlockError, BlockGraph, errnoOf, strerror, UNTRUSTED, type Backend, type Definition, type OpenOptions } from '@blk/core-graph';
import { allDrivers } from '@blk/drivers-all';
import { loadPsk, loadX509, NbdServer, type NbdTls } from '@blk/nbd';
import { parseKeyval } from '@blk/qapi-types';
import { CommandLineError } from '../getopt.js';
import { readSecrets } from '../secrets.js';
import type { NbdArguments } from './options.js';

/** Where the messages go, with the program's name in front. */
export interface NbdMessages {
  warn(message: string): void;
}

/** Serves until the end. Errors of the set-up are thrown, with everything closed again. */
export async function serveNbd(args: NbdArguments, messages: NbdMessages): Promise<void> {
  const secrets = await readSecrets(args.objects, ['tls-creds-psk', 'tls-creds-x509']);
  const graph = new BlockGraph({
    drivers: allDrivers,
    host: { warn: (message) => { messages.warn(message); } },
    ...(secrets === undefined ? {} : { secrets }),
  });
  try {
    const image = await openImage(graph, args);
    const tls = await credentials(args);
    const server = new NbdServer({ maxConnections: args.shared, ...(tls === undefined ? {} : { tls }), pool: graph.pool });
    server.addExport({
      name: args.exportName,
      source: image,
      writable: !image.readOnly,
      ...(args.description === undefined ? {} : { description: args.description }),
      allocationDepth: args.allocationDepth,
      // Clients beyond the first are let in only when asked for, so only then is it true.
      multiConn: args.shared !== 1,
    });
    let removePidFile: (() => void) | undefined;
    try {
      await server.listen(args.socket === undefined ? { host: args.bind, port: args.port } : { path: args.socket });
      if (args.pidFile !== undefined) removePidFile = writePidFile(args.pidFile);
      await ending(server, args);
    } finally {
      try {
        await server.close();
      } finally {
        removePidFile?.();
      }
    }
    await image.close();
  } finally {
    await graph.close();
  }
}

/** Starts the same command in a process of its own; resolves when it listens, with its error output where it could not. */
export function forkNbd(program: string, words: readonly string[]): Promise<{ readonly code: number; readonly stderr: string }> {
  const child = spawn(process.execPath, [program, ...words], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, BLK_NBD_FORKED: '1' },
  });
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

/** Writes the file; the returned function removes it. */
function writePidFile(path: string): () => void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    throw new CommandLineError(`Could not create '${path}': ${strerror(errnoOf(error))}`);
  }
  return () => {
    rmSync(path, { force: true });
  };
}

async function openImage(graph: BlockGraph, args: NbdArguments): Promise<Backend> {
  const options: OpenOptions = {
    readOnly: args.readOnly,
    ...(args.format === undefined ? {} : { format: args.format }),
    cache: { direct: args.cache === 'none' || args.cache === 'directsync', noFlush: args.cache === 'unsafe' },
    // As in the original, discards reach the image unless told otherwise.
    discard: args.discard ?? true,
    detectZeroes: args.detectZeroes,
    ...(args.aio === undefined ? {} : { aio: args.aio }),
    ...(args.untrusted ? { policy: UNTRUSTED } : {}),
  };
  if (args.detectZeroes === 'unmap' && args.discard !== true) {
    throw new CommandLineError('setting detect-zeroes to unmap is not allowed without setting discard operation to unmap');
  }
  const source = args.imageOptions ? (parseKeyval(args.file, 'file') as Definition) : args.file;
  const backendOptions = {
    description: 'NBD export',
    writable: !args.readOnly,
    writeThrough: args.cache === 'writethrough' || args.cache === 'directsync',
  };
  try {
    const whole = await graph.openBackend(source, { ...options, ...backendOptions });
    if (args.offset === 0) return whole;
    return await openPart(graph, whole, args);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new CommandLineError(`Failed to blk_new_open '${args.file}': ${error.message}`);
  }
}

/** The image from an offset on, by a raw node over it. */
async function openPart(graph: BlockGraph, whole: Backend, args: NbdArguments): Promise<Backend> {
  const { root, size } = whole;
  if (args.offset >= size) {
    throw new CommandLineError(`Offset (${args.offset}) cannot be greater than size of the containing file (${size})`);
  }
  const part = await graph.openBackend(
    { driver: 'raw', offset: args.offset, file: root },
    { readOnly: args.readOnly, discard: args.discard ?? true, description: 'NBD export', writable: !args.readOnly },
  );
  await whole.close();
  return part;
}

async function credentials(args: NbdArguments): Promise<NbdTls | undefined> {
  if (args.tlsCreds === undefined) return undefined;
  for (const text of args.objects) {
    const object = parseKeyval(text, 'qom-type') as Record<string, unknown>;
    if (object['id'] !== args.tlsCreds) continue;
    const dir = typeof object['dir'] === 'string' ? object['dir'] : '';
    if (object['endpoint'] !== 'server') throw new CommandLineError(`Expecting TLS credentials with a server endpoint`);
    if (object['qom-type'] === 'tls-creds-psk') return { credentials: await loadPsk(dir) };
    if (object['qom-type'] === 'tls-creds-x509') {
      return { credentials: await loadX509(dir, { verifyPeer: object['verify-peer'] !== 'off' && object['verify-peer'] !== 'no' }) };
    }
    throw new CommandLineError(`Object with id '${args.tlsCreds}' is not TLS credentials`);
  }
  throw new CommandLineError(`No TLS credentials with id '${args.tlsCreds}'`);
}

/** Resolves at a signal, or, unless `persistent`, when the last client has left. */
function ending(server: NbdServer, args: NbdArguments): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => { resolve(); });
    if (!args.persistent) {
      server.on('clientDisconnected', (client) => {
        if (client.target !== undefined && server.connections.size === 0) resolve();
      });
    }
    if (process.env['BLK_NBD_FORKED'] === '1') process.send?.('listening');
  });
}
