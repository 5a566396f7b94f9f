// lighttpd over a folder, on a port of the loopback address: it has users know their password without telling it, which nginx does not.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { start, waitForSocket, type Running } from './start.js';
import { needTool } from './tools.js';

export interface LighttpdOptions {
  /** Folder that is served. */
  readonly root: string;
  /** Another folder, for its own files. */
  readonly dir: string;
  /** The only one who may read, and how that is proved. */
  readonly user: { readonly name: string; readonly password: string; readonly algorithm: 'MD5' | 'SHA-256' };
}

export interface Lighttpd extends Running {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
}

/** Starts it and waits until it accepts connections. */
export async function startLighttpd({ root, dir, user }: LighttpdOptions): Promise<Lighttpd> {
  const port = await freePort();
  const realm = 'disks';
  const users = join(dir, 'users');
  const secret = createHash(user.algorithm.replace('-', '')).update(`${user.name}:${realm}:${user.password}`).digest('hex');
  writeFileSync(users, `${user.name}:${realm}:${secret}\n`);
  const file = join(dir, 'lighttpd.conf');
  writeFileSync(file, `
    server.document-root = "${root}"
    server.bind = "127.0.0.1"
    server.port = ${port}
    server.modules = ("mod_auth", "mod_authn_file")
    auth.backend = "htdigest"
    auth.backend.htdigest.userfile = "${users}"
    auth.require = ("/" => ("method" => "digest", "algorithm" => "${user.algorithm}", "realm" => "${realm}", "require" => "valid-user"))
  `);
  const server = await start(needTool('lighttpd'), ['-D', '-f', file]);
  await waitForSocket(port, server);
  return { ...server, url: `http://127.0.0.1:${port}` };
}
