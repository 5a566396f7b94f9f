/** `blk serve --demo`: a small disk in a folder of its own, served over NBD, with a monitor to try. */
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { errnoOf, strerror } from '@blk/core-graph';
import { createImage } from '@blk/image';
import { runDaemon } from '@blk/qmp-server';
import { DRIVERS, makeGraph } from '../graph.js';
import { ExitError, type Tool } from '../tool.js';

const DISK_BYTES = 64 * 1024 * 1024;
/** Longest path of a unix socket. */
const MAX_SOCKET_PATH = 107;

/** Runs the demo until Ctrl-C. Further options are the server's own. */
export async function runDemo(tool: Tool, argv: readonly string[]): Promise<number> {
  const dir = demoFolder(tool);
  const disk = join(dir, 'disk.qcow2');
  const monitor = join(dir, 'qmp.sock');
  const nbd = join(dir, 'nbd.sock');
  try {
    mkdirSync(dir, { recursive: true });
    if (!existsSync(disk)) await createImage(makeGraph(tool), disk, { format: 'qcow2', size: DISK_BYTES });
  } catch (error) {
    throw new ExitError(1, `cannot make the demo's disk in '${dir}': ${strerror(errnoOf(error))}`);
  }
  const words = [
    '--blockdev', JSON.stringify({ driver: 'qcow2', 'node-name': 'disk', file: { driver: 'file', filename: disk } }),
    '--nbd-server', `addr.type=unix,addr.path=${comma(nbd)}`,
    '--export', 'type=nbd,id=disk,node-name=disk,name=disk,writable=on',
    '--chardev', `socket,id=monitor,path=${comma(monitor)},server=on,wait=off`,
    '--monitor', 'chardev=monitor',
    ...argv,
  ];
  return runDaemon(words, {
    program: tool.name,
    drivers: DRIVERS,
    signal: tool.io.signal,
    ready: () => {
      tool.io.out(welcome({ disk, monitor, nbd }));
    },
  });
}

function comma(path: string): string {
  return path.replaceAll(',', ',,');
}

/** `blk-demo` below the working folder; where that is too deep for sockets, one for the user. */
function demoFolder(tool: Tool): string {
  const near = join(process.cwd(), 'blk-demo');
  if (join(near, 'qmp.sock').length <= MAX_SOCKET_PATH) return near;
  const state = tool.io.env['XDG_STATE_HOME'] ?? join(tool.io.env['HOME'] ?? '/tmp', '.local/state');
  return join(state, 'blk-demo');
}

/** A path as it is short from here. */
function short(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

/** How this program was called: by its name, or by the file that it is. */
function ownName(): string {
  const path = process.argv[1] ?? 'blk';
  return basename(path) === 'blk' ? 'blk' : `node ${short(path)}`;
}

function welcome(paths: { readonly disk: string; readonly monitor: string; readonly nbd: string }): string {
  const uri = `nbd+unix:///disk?socket=${short(paths.nbd)}`;
  const blk = ownName();
  return `blk serves a disk of 64 MiB.

  disk      ${short(paths.disk)}
  NBD       ${uri}
  monitor   ${short(paths.monitor)} (QMP)

To try in another terminal, in the same folder:

  ${blk} info '${uri}'
  ${blk} io -f raw -c 'write -P 7 1M 64k' -c 'read -P 7 1M 64k' '${uri}'
  ${blk} info -U ${short(paths.disk)}

and with other programs, where they are installed:

  nbdinfo '${uri}'
  qemu-img info '${uri}'
  (echo '{"execute":"qmp_capabilities"}'; echo '{"execute":"query-named-block-nodes"}'; sleep 1) | socat - UNIX-CONNECT:${short(paths.monitor)}

Ctrl-C ends it; the disk stays.
`;
}
