/** Requests by node:http and node:https, on connections that are used again. */
import { Agent, request as plainRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type * as Https from 'node:https';
import type { Completion } from '@blk/core-graph';
import { tunnelled } from '#tunnel';
import { brokenAnswer } from '../errors.js';
import type { HttpRequest, HttpResponse, Transport, TransportOptions } from '../transport.js';
import { connectionError } from './connection-error-node.js';

/** Loaded when it is needed: most of what it takes is encryption. */
const https = (): typeof Https => process.getBuiltinModule('node:https');

/** A body that nobody wants is read, so that its connection can be used again, unless it is longer than this. */
const WORTH_READING = 64 * 1024;

export function openTransport(options: TransportOptions): Transport {
  const { proxy, connections, verify, authorities } = options;
  const keep = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections };
  const tls = { rejectUnauthorized: verify, ...(authorities === undefined ? {} : { ca: authorities }) };
  const agents: { plain?: Agent; secure?: Https.Agent } = {};
  const secureAgent = (): Https.Agent => {
    const agent = new (https().Agent)({ ...keep, ...tls });
    return proxy === undefined ? agent : tunnelled(agent, proxy, options);
  };
  const send = ({ url, headers, signal }: HttpRequest): Promise<HttpResponse> => {
    const common = { headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'blk' }, ...placeOf(url) };
    if (url.protocol === 'https:') return answerTo(https().request({ ...common, agent: (agents.secure ??= secureAgent()) }), url, signal);
    if (proxy === undefined) return answerTo(plainRequest({ ...common, agent: (agents.plain ??= new Agent(keep)) }), url, signal);
    const viaProxy: RequestOptions = {
      ...common,
      ...placeOf(proxy.url),
      path: url.href,
      headers: { ...common.headers, host: url.host, ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }) },
    };
    if (proxy.url.protocol === 'http:') return answerTo(plainRequest({ ...viaProxy, agent: (agents.plain ??= new Agent(keep)) }), proxy.url, signal);
    return answerTo(https().request({ ...viaProxy, agent: (agents.plain ??= new (https().Agent)({ ...keep, ...tls })) }), proxy.url, signal);
  };
  return {
    browser: false,
    send,
    hash: async (name, text) => process.getBuiltinModule('node:crypto').createHash(name.replace('-', '').toLowerCase()).update(text).digest('hex'),
    close: () => {
      agents.plain?.destroy();
      agents.secure?.destroy();
    },
  };
}

function placeOf(url: URL): Pick<RequestOptions, 'hostname' | 'port' | 'path'> {
  return { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || (url.protocol === 'https:' ? 443 : 80), path: url.pathname + url.search };
}

function answerTo(request: ClientRequest, url: URL, signal: AbortSignal): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const abort = (): void => { request.destroy(signal.reason as Error); };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    request.once('close', () => { signal.removeEventListener('abort', abort); });
    // Stays: what goes wrong later is told to whoever reads the body, and must not end the program.
    request.on('error', (error) => { reject(connectionError(error, url)); });
    request.once('response', (message) => {
      message.on('error', () => undefined);
      resolve(answerOf(message, url, signal));
    });
    request.end();
  });
}

function answerOf(message: IncomingMessage, url: URL, signal: AbortSignal): HttpResponse {
  const header = (name: string): string | undefined => {
    const value = message.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  return {
    status: message.statusCode ?? 0,
    delimited: header('content-length') !== undefined || /chunked$/i.test(header('transfer-encoding') ?? ''),
    header,
    body: (sink) => readBody(message, sink, (error) => (signal.aborted ? (signal.reason as Error) : connectionError(error, url))),
    cancel: () => {
      if (Number(header('content-length') ?? Infinity) <= WORTH_READING) message.resume();
      else message.destroy();
    },
  };
}

function readBody(message: IncomingMessage, sink: (chunk: Uint8Array) => Completion, explain: (error: unknown) => Error): Promise<void> {
  return new Promise((resolve, reject) => {
    let over = false;
    /** The sink's work on the last chunk: the end of the stream is told as soon as that chunk is handed over. */
    let taking: Promise<void> | undefined;
    const end = (error?: Error): void => {
      if (over) return;
      over = true;
      if (error === undefined) return resolve();
      message.destroy();
      reject(error);
    };
    const broken = (error?: unknown): void => { end(explain(error ?? brokenAnswer('broken-off', 'The server closed the connection in the middle of the file'))); };
    if (message.destroyed && !message.complete) return broken();
    message.on('data', (chunk: Uint8Array) => {
      if (over) return;
      try {
        const taken = sink(chunk);
        if (taken === undefined) return;
        message.pause();
        taking = taken.then(() => { message.resume(); }, end);
      } catch (error) {
        end(error as Error);
      }
    });
    message.on('end', () => {
      if (!message.complete) broken();
      else if (taking === undefined) end();
      else void taking.then(() => { end(); });
    });
    message.on('error', broken);
    message.on('close', () => { if (!message.readableEnded) broken(); });
  });
}
