/** `blk nbd`: one image as an NBD export, until the last client left or a signal came. */
import { rmSync, writeFileSync } from 'node:fs';
import { BlockError, BlockGraph, errnoOf, strerror } from '@blk/core-graph';
import { allDrivers } from '@blk/drivers-all';
import { dirtyBitmapContext, NBD_PORT, NbdServer, type ListenTarget } from '@blk/nbd';
import { CommandLineError } from '../getopt.js';
import { readObjects } from '../objects.js';
import { makeThrottleGroups } from '../throttle-groups.js';
import { serverTls } from './credentials.js';
import { isForked, reportListening } from './fork.js';
import { findBitmaps, openServed } from './image.js';
import type { NbdArguments } from './options.js';

/** Where the messages go, with the program's name in front. */
export interface NbdMessages {
  warn(message: string): void;
}

/** Serves until the end. Errors of the set-up are thrown, with everything closed again. `activated`: listens on that descriptor. */
export async function serveNbd(args: NbdArguments, messages: NbdMessages, activated?: number): Promise<void> {
  const objects = await readObjects(args.objects);
  const tls = serverTls(args, objects);
  const graph = new BlockGraph({
    drivers: allDrivers,
    host: { warn: (message) => { messages.warn(message); } },
    ...objects.options,
  });
  try {
    makeThrottleGroups(graph, objects.throttleGroups);
    const image = await openServed(graph, args);
    const server = new NbdServer({ maxConnections: args.shared, ...(tls === undefined ? {} : { tls }), pool: graph.pool });
    server.addExport({
      name: args.exportName,
      source: image,
      writable: !image.readOnly,
      ...(args.description === undefined ? {} : { description: args.description }),
      allocationDepth: args.allocationDepth,
      // The original lists the last one first.
      contexts: findBitmaps(image.root, args.bitmaps, !image.readOnly).reverse().map(({ name, bitmap }) => dirtyBitmapContext(name, bitmap)),
      // Clients beyond the first are let in only when asked for, so only then is it true.
      multiConn: args.shared !== 1,
    });
    let removePidFile: (() => void) | undefined;
    try {
      await listen(server, targetOf(args, activated));
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

/** The descriptor that a service manager handed over, or undefined. Throws where options say otherwise. */
export function activatedDescriptor(args: NbdArguments, env: Readonly<Record<string, string | undefined>>): number | undefined {
  const count = Number(env['LISTEN_FDS'] ?? 0);
  if (Number(env['LISTEN_PID'] ?? 0) !== process.pid || count < 1) return undefined;
  if (count > 1) throw new CommandLineError('qemu-nbd does not support socket activation with LISTEN_FDS > 1');
  const conflict = ACTIVATION_CONFLICTS.find(([option]) => args.given.has(option));
  if (conflict !== undefined) throw new CommandLineError(`${conflict[1]} can't be set when using socket activation`);
  return FIRST_DESCRIPTOR;
}

const ACTIVATION_CONFLICTS: readonly (readonly [string, string])[] = [
  ['socket', 'Unix socket'],
  ['bind', 'The interface'],
  ['port', 'TCP port number'],
];

/** The first that a service manager hands over. */
const FIRST_DESCRIPTOR = 3;

function targetOf(args: NbdArguments, activated: number | undefined): ListenTarget {
  if (activated !== undefined) return { fd: activated };
  return args.socket === undefined ? { host: args.bind, port: args.port } : { path: args.socket };
}

async function listen(server: NbdServer, target: ListenTarget): Promise<void> {
  try {
    await server.listen(target);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    // Refused before the system was asked.
    if (error.kind === 'invalid-argument') throw new CommandLineError(error.message);
    if ('host' in target && isUnknownHost(error.cause)) {
      throw new CommandLineError(`address resolution failed for ${target.host}:${target.port ?? NBD_PORT}: Name or service not known`);
    }
    const what = 'path' in target ? ` to ${target.path}` : '';
    // The original tries one address only, but says it like this.
    const verb = error.errno === 'EADDRINUSE' && !('path' in target) ? 'find an available port' : `bind socket${what}`;
    throw new CommandLineError(`Failed to ${verb}: ${strerror(error.errno)}`);
  }
}

function isUnknownHost(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOTFOUND' || cause.code === 'EAI_AGAIN');
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

/** Resolves at a signal, or, unless `persistent`, when the last client has left. */
function ending(server: NbdServer, args: NbdArguments): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => { resolve(); });
    if (!args.persistent) {
      server.on('clientDisconnected', (client) => {
        if (client.target !== undefined && server.connections.size === 0) resolve();
      });
    }
    if (isForked()) reportListening();
  });
}
