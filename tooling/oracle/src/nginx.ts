// nginx over a folder, on ports of the loopback address.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { start, waitForSocket, type Running, type StartOptions } from './start.js';
import { needTool } from './tools.js';

export interface NginxOptions extends StartOptions {
  /** Folder that is served; its own files lie in a folder `.nginx` inside. */
  readonly root: string;
  /** Further lines for the `server` block, such as locations. */
  readonly config?: string;
  /** Paths of a certificate and its key: it listens for https as well. */
  readonly certificate?: { readonly certificate: string; readonly key: string };
}

export interface Nginx extends Running {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `https://127.0.0.1:PORT`, where there is a certificate. */
  readonly secureUrl: string;
  /** Requests so far, once each answer is over. */
  log(): readonly NginxRequest[];
}

interface NginxRequest {
  /** Number of its connection. */
  readonly connection: number;
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  /** The header `Range`, or `-`. */
  readonly range: string;
}

/** Starts nginx and waits until it accepts connections. */
export async function startNginx({ root, config = '', certificate, ...options }: NginxOptions): Promise<Nginx> {
  const own = join(root, '.nginx');
  mkdirSync(own, { recursive: true });
  const port = await freePort();
  const securePort = certificate === undefined ? 0 : await freePort();
  const file = (name: string): string => join(own, name);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${file(name)};`).join(' ');
  const secure = certificate === undefined ? '' : `listen 127.0.0.1:${securePort} ssl; ssl_certificate ${certificate.certificate}; ssl_certificate_key ${certificate.key};`;
  writeFileSync(file('nginx.conf'), `
    daemon off; worker_processes 1; pid ${file('pid')}; error_log stderr;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events { worker_connections 64; }
    http {
      ${temporary}
      log_format short '$connection $request_method $uri $status $http_range';
      access_log ${file('log')} short;
      server { listen 127.0.0.1:${port}; ${secure} root ${root}; ${config} }
    }`);
  const server = await start(needTool('nginx'), ['-p', own, '-c', file('nginx.conf'), '-e', 'stderr'], options);
  await waitForSocket(port, server);
  const log = (): readonly NginxRequest[] =>
    !existsSync(file('log')) ? [] : readFileSync(file('log'), 'utf8').split('\n').filter((line) => line !== '').map((line) => {
      const [connection = '', method = '', uri = '', status = '', range = ''] = line.split(' ');
      return { connection: Number(connection), method, uri, status: Number(status), range };
    });
  return { ...server, url: `http://127.0.0.1:${port}`, secureUrl: `https://127.0.0.1:${securePort}`, log };
}
