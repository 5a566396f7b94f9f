// FTP servers over a folder, on ports of the loopback address: vsftpd and pyftpdlib.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { start, waitForSocket, type Running } from './start.js';
import { needTool } from './tools.js';

export interface FtpServerOptions {
  /** Folder that is served. */
  readonly root: string;
  /** Another folder, for what the server itself needs. */
  readonly dir: string;
  /** Paths of a certificate and its key: everything is encrypted then. */
  readonly certificate?: { readonly certificate: string; readonly key: string };
}

export interface FtpServer extends Running {
  readonly port: number;
}

/** vsftpd for anonymous users; with a certificate it encrypts from the first byte on, and wants data by the session of the commands. */
export async function startVsftpd({ root, dir, certificate }: FtpServerOptions): Promise<FtpServer> {
  const port = await freePort();
  const settings = {
    listen: 'YES', listen_address: '127.0.0.1', listen_port: port, background: 'NO', run_as_launching_user: 'YES', seccomp_sandbox: 'NO',
    anonymous_enable: 'YES', no_anon_password: 'YES', anon_root: root, local_enable: 'NO', xferlog_enable: 'NO',
    ...(certificate === undefined ? {} : {
      ssl_enable: 'YES', implicit_ssl: 'YES', allow_anon_ssl: 'YES', force_anon_logins_ssl: 'YES', force_anon_data_ssl: 'YES', require_ssl_reuse: 'YES',
      rsa_cert_file: certificate.certificate, rsa_private_key_file: certificate.key,
    }),
  };
  const file = join(dir, 'vsftpd.conf');
  // Of anybody else's it would not take its settings.
  writeFileSync(file, Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join(''), { mode: 0o600 });
  const server = await start(needTool('vsftpd'), [file]);
  await waitForSocket(port, server);
  return { ...server, port };
}

/** pyftpdlib for the user `me` with the password `secret`; with a certificate it encrypts when asked to, and insists on that. */
export async function startPyftpdlib({ root, dir, certificate }: FtpServerOptions): Promise<FtpServer> {
  const port = await freePort();
  const handler = certificate === undefined ? 'FTPHandler' : 'TLS_FTPHandler';
  const secure = certificate === undefined ? '' : `
handler.certfile, handler.keyfile = ${JSON.stringify(certificate.certificate)}, ${JSON.stringify(certificate.key)}
handler.tls_control_required = handler.tls_data_required = True`;
  const file = join(dir, 'server.py');
  writeFileSync(file, `
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import ${handler} as handler
from pyftpdlib.servers import FTPServer
authorizer = DummyAuthorizer()
authorizer.add_user('me', 'secret', ${JSON.stringify(root)}, perm='elr')
handler.authorizer = authorizer${secure}
FTPServer(('127.0.0.1', ${port}), handler).serve_forever()
`);
  // Debian's own interpreter: it has Debian's packages.
  const server = await start('/usr/bin/python3', [file]);
  await waitForSocket(port, server);
  return { ...server, port };
}
