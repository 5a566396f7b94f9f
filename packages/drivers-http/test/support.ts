/** Servers that keep to the protocol, or lie as told; and a clock that tests own. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { BlockGraph, type BlockDriver, type BlockNode, type Definition, type GraphOptions } from '@blk/core-graph';
import { needTool, run, type TempDir } from '@blk/oracle';
import { httpDrivers } from '../src/index.js';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly server: Server;
  /** The header `Range` of each request so far; empty where there was none. */
  readonly ranges: string[];
  /** Connections that were made so far. */
  connections: number;
  /** Another behaviour from now on. */
  handler: Handler;
}

/** A server on a free port of the loopback address. */
export async function serve(handler: Handler, server: Server = createServer(), address = '127.0.0.1'): Promise<Served> {
  const sockets = new Set<Socket>();
  const ranges: string[] = [];
  server.keepAliveTimeout = 60_000;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    ranges.push(request.headers.range ?? '');
    served.handler(request, response);
  });
  server.on('connection', (socket: Socket) => {
    served.connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const served: Served = {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${(server.address() as AddressInfo).port}/disk.raw`,
    server,
    ranges,
    connections: 0,
    handler,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return served;
}

/** A certificate that vouches for itself, in files; `names` as in `subjectAltName`. */
export async function makeCertificate(dir: TempDir, names: string): Promise<{ readonly certificate: string; readonly key: string }> {
  const files = { certificate: dir.file('certificate.pem'), key: dir.file('key.pem') };
  const made = await run(needTool('openssl'), [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', `subjectAltName=${names}`, '-keyout', files.key, '-out', files.certificate,
  ]);
  if (made.code !== 0) throw new Error(made.stderr);
  return files;
}

/** What differs from a good server, for one answer. */
export interface Answer {
  status?: number;
  /** Undefined takes one out. */
  headers?: Record<string, string | undefined>;
  /** The body, made out of the right one. */
  body?: (right: Buffer) => Buffer;
  /** Bytes after which the connection is cut. */
  cutAfter?: number;
  /** It is cut by a reset. */
  reset?: boolean;
}

/** Sends `content` as good servers do, but for what `differ` says of a request. */
export function content(bytes: Uint8Array, differ: (start: number, end: number, request: IncomingMessage) => Answer | undefined = () => undefined): Handler {
  return (request, response) => {
    const asked = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const start = asked === null ? 0 : Number(asked[1]);
    const end = asked === null ? bytes.length : Math.min(Number(asked[2]) + 1, bytes.length);
    const { status = asked === null ? 200 : 206, headers = {}, body = (right: Buffer): Buffer => right, cutAfter, reset = false } = differ(start, end, request) ?? ({});
    const sent = body(Buffer.from(status === 200 ? bytes : bytes.subarray(start, end)));
    const all: Record<string, string | undefined> = {
      'content-length': String(sent.length),
      etag: '"one"',
      'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
      ...(status === 206 ? { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
      ...headers,
    };
    response.writeHead(status, Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));
    if (cutAfter === undefined) {
      response.end(sent);
      return;
    }
    response.write(sent.subarray(0, cutAfter), () => {
      if (reset) response.socket?.resetAndDestroy();
      else response.socket?.destroy();
    });
    if (cutAfter === 0) response.flushHeaders();
  };
}

const { http, https } = httpDrivers();

export function graphOf(options: Partial<GraphOptions> & { readonly drivers?: readonly BlockDriver[] } = {}): BlockGraph {
  return new BlockGraph({ drivers: [http, https], ...options });
}

/** Opens with short time-outs that no clock of a test mistakes for pauses. */
export function openUrl(graph: BlockGraph, url: string, more: Definition = {}): Promise<BlockNode> {
  return graph.open({ driver: 'http', url, 'read-only': true, ...more });
}

/** A range of the node, in a buffer of its own. */
export async function readAt(node: BlockNode, offset: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  await node.read(offset, buffer, 0, length);
  return buffer;
}
