// qemu-storage-daemon with a monitor on its standard input and output.
import { qmpClient, type QmpClient } from './qmp.js';
import { start, type Running, type StartOptions } from './start.js';
import { needTool } from './tools.js';

/** What the daemon starts with; each entry is one option's value, as a string or as an object given as JSON. */
export interface StorageDaemonOptions extends StartOptions {
  readonly objects?: readonly Setting[];
  readonly blockdevs?: readonly Setting[];
  /** The unix socket of its NBD server; without one there is no server. */
  readonly nbdSocket?: string;
  readonly exports?: readonly Setting[];
  /** Further arguments. */
  readonly args?: readonly string[];
}

/** A daemon that answers. */
export interface StorageDaemon extends Running {
  readonly qmp: QmpClient;
}

/** Starts the daemon; when this returns it has opened its block devices and its exports are up. */
export async function startStorageDaemon(options: StorageDaemonOptions = {}): Promise<StorageDaemon> {
  const { objects = [], blockdevs = [], nbdSocket, exports = [], args = [], ...rest } = options;
  const words = [
    ...objects.flatMap((o) => ['--object', word(o)]),
    ...blockdevs.flatMap((b) => ['--blockdev', word(b)]),
    ...(nbdSocket === undefined ? [] : ['--nbd-server', `addr.type=unix,addr.path=${nbdSocket}`]),
    ...exports.flatMap((e) => ['--export', word(e)]),
    ...args,
    // Last: options are carried out in order, so a greeting says that all others were.
    '--chardev', 'stdio,id=oracle', '--monitor', 'chardev=oracle',
  ];
  const daemon = await start(needTool('qemu-storage-daemon'), words, rest);
  try {
    return { ...daemon, qmp: await qmpClient(daemon.process.stdout, daemon.process.stdin) };
  } catch (cause) {
    await daemon.stop();
    throw new Error(`qemu-storage-daemon did not start: ${daemon.stderr()}`, { cause });
  }
}

type Setting = string | Readonly<Record<string, unknown>>;

const word = (setting: Setting): string => (typeof setting === 'string' ? setting : JSON.stringify(setting));
