/** Opening a file on a web server: the first request says how large it is, which version it is, and whether parts of it can be had. */
import { BlockError, type Completion, type DriverNode, type OpenContext } from '@blk/core-graph';
import { checkReadable, checkSettings, openingError, Patience, ReadAhead, RemoteNode, Watchdog, type RemoteSettings } from '@blk/remote';
import { openTransport } from '#transport';
import { HttpClient } from './client.js';
import { parseLength, parseUnsatisfied, type ContentRange } from './content-range.js';
import { Credentials } from './credentials.js';
import type { HttpDriverOptions, HttpOptions, Scheme } from './drivers.js';
import { httpError, statusError } from './errors.js';
import { Gate } from './gate.js';
import { identityOf } from './identity.js';
import { checkPartial, readPart } from './partial.js';
import { cookieOf, passwordOf, proxiesOf, urlOf } from './options.js';
import { RangeReader, type Traffic } from './range-reader.js';
import type { HttpResponse, TransportOptions, Transport } from './transport.js';
import { spoolWhole } from './whole-file.js';
import { withoutUser } from './url.js';

/** Connections to one server: as many requests as `convert` has under way. */
const CONNECTIONS = 8;
/** Attempts to open, where a server answers but stumbles. */
const ATTEMPTS = 3;
/** Bytes of the first request where nothing is to be read ahead: what tells formats apart. */
const HEAD = 2048;
/** A server that is not there when the image is opened is not waited for. */
const NOT_THERE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENXIO']);

type MakeTransport = (options: TransportOptions) => Transport;

export async function openHttp(
  driver: Scheme,
  options: HttpOptions,
  context: OpenContext,
  given: HttpDriverOptions,
  makeTransport: MakeTransport = openTransport,
): Promise<DriverNode> {
  checkReadable(driver, context);
  const settings = checkSettings(driver, options);
  const url = urlOf(driver, options);
  const cookie = await cookieOf(options, context);
  const password = await passwordOf(options, url, context);
  const proxyFor = await proxiesOf(options, given.proxy, context);
  // One that cannot be used is told of before anything is asked for.
  proxyFor(url);
  const transport = makeTransport({
    driver, verify: options.sslverify ?? true, authorities: given.authorities, proxyFor, connections: CONNECTIONS, timeout: settings.timeout,
  });
  const credentials = password === undefined ? undefined : new Credentials(password.username, password.password, transport);
  const stop = new AbortController();
  const client = new HttpClient({ transport, url: withoutUser(url), credentials, cookie });
  const traffic: Traffic = { client, gate: new Gate(CONNECTIONS), host: context.host, timeout: settings.timeout, signal: stop.signal };
  const close = (error: BlockError): void => {
    stop.abort(error);
    transport.close();
  };
  const abort = (): void => { close(new BlockError('aborted', 'Opening the image was aborted', { driver })); };
  context.signal?.addEventListener('abort', abort, { once: true });
  if (context.signal?.aborted === true) abort();
  try {
    const content = await open(traffic, settings);
    return new RemoteNode({
      driver,
      filename: options.url ?? options.filename ?? '',
      size: content.size,
      warn: (message) => { context.warn(message); },
      read: (offset, buffer, start, length) => content.read(offset, buffer, start, length),
      close: async () => {
        close(new BlockError('closed', 'The image was closed', { driver }));
        await content.close();
      },
    });
  } catch (error) {
    const reported = context.signal?.aborted === true ? error : openingError(driver, error);
    close(openingError(driver, error));
    throw reported;
  } finally {
    context.signal?.removeEventListener('abort', abort);
  }
}

interface Content {
  readonly size: number;
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  close(): Promise<void>;
}

async function open(traffic: Traffic, settings: RemoteSettings): Promise<Content> {
  const patience = new Patience({ ...traffic, attempts: ATTEMPTS });
  for (let insisted = false; ; ) {
    const watchdog = new Watchdog({ ...traffic, driver: 'http' });
    try {
      const end = settings.readahead || HEAD;
      const response = await traffic.client.get({ range: `bytes=0-${end - 1}` }, watchdog.signal);
      // Caches that have nothing yet send all of a file the first time, of which parts can be had the next.
      if (response.status === 200 && !insisted && response.header('accept-ranges')?.toLowerCase() === 'bytes') {
        insisted = true;
        if (parseLength(response.header('content-length')) !== 0) {
          watchdog.done();
          response.cancel();
          continue;
        }
      }
      if (response.status === 200) return await openWhole(traffic, response, watchdog, settings);
      return await openParts(traffic, response, watchdog, settings, end);
    } catch (error) {
      watchdog.done();
      if (error instanceof BlockError && (error.kind === 'timeout' || NOT_THERE.has(error.errno))) throw error;
      await patience.again(error);
    }
  }
}

/** The end of its watchdog is up to whoever fetches the file. */
async function openWhole(traffic: Traffic, response: HttpResponse, watchdog: Watchdog, settings: RemoteSettings): Promise<Content> {
  if (parseLength(response.header('content-length')) === 0) {
    watchdog.done();
    response.cancel();
    return EMPTY;
  }
  const { spool, size } = await spoolWhole(traffic, response, watchdog, settings.spool);
  return { size, read: (offset, buffer, start, length) => spool.read(offset, buffer, start, length), close: () => spool.close() };
}

async function openParts(traffic: Traffic, response: HttpResponse, watchdog: Watchdog, settings: RemoteSettings, end: number): Promise<Content> {
  if (response.status === 416) {
    watchdog.done();
    response.cancel();
    if (parseUnsatisfied(response.header('content-range')) === 0) return EMPTY;
    throw statusError(response.status);
  }
  const range = rangeOf(response, end);
  const size = range.total;
  const head = new Uint8Array(range.end);
  await readPart(response, head, 0, head.length, (bytes) => { watchdog.progress(bytes); });
  watchdog.done();
  const ahead = new ReadAhead(new RangeReader(traffic, { ...identityOf(response, size), size }), settings.readahead);
  ahead.seed(0, head);
  return { size, read: (offset, buffer, start, length) => ahead.read(offset, buffer, start, length), close: async () => { ahead.close(); } };
}

function rangeOf(response: HttpResponse, end: number): ContentRange & { readonly total: number } {
  try {
    const { total, ...range } = checkPartial(response, 0, end);
    if (total === undefined) throw httpError('unsupported', 'no-size', 'The server does not say how large the file is');
    return { ...range, total };
  } catch (error) {
    response.cancel();
    throw error;
  }
}

const EMPTY: Content = { size: 0, read: () => undefined, close: async () => undefined };
