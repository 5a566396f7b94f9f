/** Requests by node:http and node:https, on connections that are used again. */
import { Agent, request as plainRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type * as Https from 'node:https';
import type { Completion } from '@blk/core-graph';
import { tunnelled } from '#tunnel';
import { brokenAnswer } from '../errors.js';
import type { HttpRequest, HttpResponse, ProxyServer, Transport, TransportOptions } from '../transport.js';
import { connectionError } from './connection-error-node.js';

/** Loaded when it is needed: most of what it takes is encryption. */
const https = (): typeof Https => process.getBuiltinModule('node:https');

/** A body that nobody wants is read, so that its connection can be used again, unless it is longer than this, or takes so many milliseconds. */
const WORTH_READING = 64 * 1024;
const WORTH_WAITING = 2000;

export function openTransport(options: TransportOptions): Transport {
  const { proxyFor, connections, verify, authorities, timeout } = options;
  const keep = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections };
  const tls = { rejectUnauthorized: verify, ...(authorities === undefined ? {} : { ca: authorities }) };
  const agents = new Map<string, Agent>();
  const closing = new AbortController();
  const agentOf = (name: string, make: () => Agent): Agent => {
    const agent = agents.get(name) ?? make();
    agents.set(name, agent);
    return agent;
  };
  const plainAgent = (): Agent => agentOf('plain', () => new Agent(keep));
  const secureAgent = (proxy?: ProxyServer): Agent =>
    agentOf(`secure ${proxy?.url.href ?? ''}`, () => {
      const agent = new (https().Agent)({ ...keep, ...tls });
      return proxy === undefined ? agent : tunnelled(agent, proxy, { timeout, tls, signal: closing.signal });
    });
  const send = ({ url, headers, signal }: HttpRequest): Promise<HttpResponse> => {
    const common = { headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'blk' }, ...placeOf(url) };
    const proxy = proxyFor(url);
    if (url.protocol === 'https:') return answerTo(https().request({ ...common, agent: secureAgent(proxy) }), url, signal);
    if (proxy === undefined) return answerTo(plainRequest({ ...common, agent: plainAgent() }), url, signal);
    const viaProxy: RequestOptions = {
      ...common,
      ...placeOf(proxy.url),
      path: url.href,
      headers: { ...common.headers, host: url.host, ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }) },
    };
    if (proxy.url.protocol === 'http:') return answerTo(plainRequest({ ...viaProxy, agent: plainAgent() }), proxy.url, signal);
    return answerTo(https().request({ ...viaProxy, agent: secureAgent() }), proxy.url, signal);
  };
  return {
    browser: false,
    send,
    hashes: ['MD5', 'SHA-256'],
    hash: async (name, text) => process.getBuiltinModule('node:crypto').createHash(name.replace('-', '').toLowerCase()).update(text).digest('hex'),
    close: () => {
      closing.abort();
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

function placeOf(url: URL): Pick<RequestOptions, 'hostname' | 'port' | 'path'> {
  return { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || (url.protocol === 'https:' ? 443 : 80), path: url.pathname + url.search };
}

function answerTo(request: ClientRequest, url: URL, signal: AbortSignal): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      request.destroy(signal.reason as Error);
      // One that waits for a way through a proxy tells of its end only when there is one.
      reject(signal.reason as Error);
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    request.once('close', () => {
      signal.removeEventListener('abort', abort);
      // Node tells nothing more of an answer that is none, such as one that asks for another protocol.
      reject(brokenAnswer('no-answer', 'The server closed the connection without an answer'));
    });
    /** What broke the connection, which the message itself only calls a reset. */
    let broken: unknown;
    // Stays: what goes wrong later is told to whoever reads the body, and must not end the program.
    request.on('error', (error) => {
      broken ??= error;
      reject(connectionError(error, url));
    });
    request.once('response', (message) => {
      message.on('error', () => undefined);
      resolve(answerOf(message, (error) => (signal.aborted ? (signal.reason as Error) : connectionError(broken ?? error, url))));
    });
    request.end();
  });
}

function answerOf(message: IncomingMessage, explain: (error: unknown) => Error): HttpResponse {
  const header = (name: string): string | undefined => {
    const value = message.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  return {
    status: message.statusCode ?? 0,
    delimited: header('content-length') !== undefined || /chunked$/i.test(header('transfer-encoding') ?? ''),
    header,
    body: (sink) => readBody(message, sink, explain),
    cancel: () => {
      if (!(Number(header('content-length') ?? Infinity) <= WORTH_READING)) return void message.destroy();
      message.resume();
      // One that never ends would keep its connection for ever, of which there are few.
      const late = setTimeout(() => { message.destroy(); }, WORTH_WAITING).unref();
      message.once('close', () => { clearTimeout(late); });
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
      // What the sink has begun to keep is kept before anybody goes on from there.
      void (taking ?? Promise.resolve()).then(() => { reject(error); });
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
