// NBD servers of both sides, each on a socket and an image of its own.
import { rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { nbdUri, start, startNginx, startQemuNbd, waitForSocket, type Running } from '@blk/oracle';
import type { Lab } from '../lab.js';
import type { Side } from '../workload.js';

/** A server that accepts connections. */
export interface Server extends Running {
  readonly uri: string;
}

/** Starts a side's qemu-nbd, with the defaults of both. */
export async function startNbd(lab: Lab, side: Side, file: string, format: string, readOnly = false): Promise<Server> {
  const socket = join(lab.dir, `${side}.sock`);
  rmSync(socket, { force: true });
  const [program, ...words] = lab.programs[side].nbd;
  const server = await start(program, [...words, '-t', '-e', '16', '-f', format, ...(readOnly ? ['-r'] : []), '-k', socket, file], { lifetime: 1_200_000 });
  server.process.stdout.resume();
  await waitForSocket(socket, server, { greeting: true });
  return { ...server, uri: nbdUri(socket) };
}

/** Starts a side's storage daemon with one export. */
export async function startDaemon(lab: Lab, side: Side, file: string, format: string): Promise<Server> {
  const socket = join(lab.dir, `${side}-daemon.sock`);
  rmSync(socket, { force: true });
  const [program, ...words] = lab.programs[side].daemon;
  const server = await start(program, [
    ...words,
    '--blockdev', `driver=file,node-name=file,filename=${file},read-only=on`,
    '--blockdev', `driver=${format},node-name=disk,file=file,read-only=on`,
    '--nbd-server', `addr.type=unix,addr.path=${socket}`,
    '--export', 'type=nbd,id=export,node-name=disk',
  ], { lifetime: 600_000 });
  server.process.stdout.resume();
  await waitForSocket(socket, server, { greeting: true });
  return { ...server, uri: nbdUri(socket, 'disk') };
}

/** One server that both sides read a file from: nginx, or qemu-nbd. */
export async function startOrigin(lab: Lab, how: 'http' | 'nbd', file: string): Promise<Server> {
  const lifetime = 1_200_000;
  if (how === 'nbd') {
    const socket = join(lab.dir, 'origin.sock');
    rmSync(socket, { force: true });
    return startQemuNbd({ file, socket, readOnly: true, lifetime });
  }
  const nginx = await startNginx({ root: dirname(file), lifetime });
  return { ...nginx, uri: `${nginx.url}/${basename(file)}` };
}

/** Both sides' servers, ended together. */
export async function both(make: (side: Side) => Promise<Server>): Promise<Record<Side, Server> & AsyncDisposable> {
  const ours = await make('ours');
  const reference = await make('reference').catch(async (error: unknown) => {
    await ours.stop();
    throw error;
  });
  return { ours, reference, [Symbol.asyncDispose]: async () => void (await Promise.all([ours.stop(), reference.stop()])) };
}
