// tinyproxy: a proxy for web servers, on a port of the loopback address.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { start, waitForSocket, type Running } from './start.js';
import { needTool } from './tools.js';

export interface TinyproxyOptions {
  /** Folder for its own files. */
  readonly dir: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Who may ask; default: anybody. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Further lines of its configuration. */
  readonly config?: string;
}

export interface Tinyproxy extends Running {
  readonly port: number;
  /** First lines of the requests so far, such as `CONNECT 127.0.0.1:443 HTTP/1.1`; of refused ones too. */
  asked(): readonly string[];
}

/** Starts it and waits until it accepts connections. */
export async function startTinyproxy({ dir, port: wanted, user, config = '' }: TinyproxyOptions): Promise<Tinyproxy> {
  const port = wanted ?? (await freePort());
  const log = join(dir, 'tinyproxy.log');
  const file = join(dir, 'tinyproxy.conf');
  const auth = user === undefined ? '' : `BasicAuth ${user.name} ${user.password}`;
  writeFileSync(file, `Listen 127.0.0.1\nPort ${port}\nAllow 127.0.0.1\nTimeout 600\nMaxClients 100\nLogFile "${log}"\nLogLevel Connect\n${auth}\n${config}\n`);
  const server = await start(needTool('tinyproxy'), ['-d', '-c', file]);
  await waitForSocket(port, server);
  const asked = (): readonly string[] =>
    !existsSync(log) ? [] : Array.from(readFileSync(log, 'utf8').matchAll(/Request \(file descriptor \d+\): (.*)/g), ([, line = '']) => line);
  return { ...server, port, asked };
}
