// qemu-nbd behind a unix socket.
import { nbdUri } from './libnbd.js';
import { start, waitForSocket, type Running, type StartOptions } from './start.js';
import { needTool } from './tools.js';

/** What is exported, and how. */
export interface QemuNbdOptions extends StartOptions {
  readonly file: string;
  /** Default raw. */
  readonly format?: string;
  /** A path in a temporary folder. */
  readonly socket: string;
  /** Default: the empty name. */
  readonly exportName?: string;
  readonly readOnly?: boolean;
  /** Further arguments, such as `--cache=none`. */
  readonly args?: readonly string[];
}

/** A qemu-nbd that listens. */
export interface QemuNbd extends Running {
  readonly uri: string;
}

/** Starts qemu-nbd and waits until it accepts connections; it goes on after clients have left. */
export async function startQemuNbd(options: QemuNbdOptions): Promise<QemuNbd> {
  const { file, format = 'raw', socket, exportName = '', readOnly = false, args = [], ...rest } = options;
  const words = [
    '--persistent', '--shared=16', '-f', format, '-k', socket,
    ...(exportName === '' ? [] : ['-x', exportName]), ...(readOnly ? ['-r'] : []), ...args, file,
  ];
  const server = await start(needTool('qemu-nbd'), words, rest);
  await waitForSocket(socket, server, { greeting: true });
  return { ...server, uri: nbdUri(socket, exportName) };
}
