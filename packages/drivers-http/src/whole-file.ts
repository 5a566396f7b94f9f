/** Files of servers that send them as a whole only: fetched once, from the front to the back, into a spool. */
import { BlockError, messageOf } from '@blk/core-graph';
import { Patience, Spool, Watchdog } from '@blk/remote';
import { parseLength } from './content-range.js';
import { brokenAnswer, httpError } from './errors.js';
import { checkSame, identityOf, type Identity } from './identity.js';
import { checkPlain } from './partial.js';
import type { Traffic } from './range-reader.js';
import type { HttpResponse } from './transport.js';

export interface WholeFile {
  readonly spool: Spool;
  readonly size: number;
}

/**
 * Takes over the answer `first` and its watchdog. With a known length it is over at once, and the rest comes while the image is read; else
 * when everything is there.
 */
export async function spoolWhole(traffic: Traffic, first: HttpResponse, watchdog: Watchdog, cap: number): Promise<WholeFile> {
  const size = parseLength(first.header('content-length'));
  let spool: Spool | undefined;
  try {
    checkPlain(first);
    if (cap === 0) throw httpError('unsupported', 'no-ranges', "Server does not support 'range' (byte ranges).");
    if (!first.delimited) throw httpError('unsupported', 'no-length', 'The server does not say how long the file is, so that its end could not be told from a lost connection');
    spool = await Spool.open({ driver: 'http', cap });
    if (size !== undefined) spool.checkFits(size);
  } catch (error) {
    watchdog.done();
    first.cancel();
    await spool?.close();
    throw error;
  }
  const filling = fill(traffic, spool, identityOf(first, size), first, watchdog);
  if (size !== undefined) {
    filling.catch((error: unknown) => { spool.fail(asBlockError(error)); });
    return { spool, size };
  }
  try {
    return { spool, size: await filling };
  } catch (error) {
    await spool.close();
    throw error;
  }
}

/** Gives back the size. */
async function fill(traffic: Traffic, spool: Spool, identity: Identity, first: HttpResponse, firstDog: Watchdog): Promise<number> {
  const patience = new Patience(traffic);
  let response: HttpResponse | undefined = first;
  for (let watchdog = firstDog; ; watchdog = new Watchdog({ ...traffic, driver: 'http' })) {
    const before = spool.filled;
    try {
      response ??= await again(traffic, identity, watchdog.signal);
      return await take(response, spool, identity, watchdog);
    } catch (error) {
      watchdog.done();
      await patience.again(error, spool.filled - before);
    } finally {
      watchdog.done();
    }
    response = undefined;
  }
}

async function again(traffic: Traffic, identity: Identity, signal: AbortSignal): Promise<HttpResponse> {
  const response = await traffic.client.get({}, signal);
  try {
    if (response.status !== 200) throw brokenAnswer('status', `The server sent a part of the file (status ${response.status}) instead of all of it`);
    checkPlain(response);
    checkSame(identity, identityOf(response, parseLength(response.header('content-length'))));
    return response;
  } catch (error) {
    response.cancel();
    throw error;
  }
}

async function take(response: HttpResponse, spool: Spool, { size }: Identity, watchdog: Watchdog): Promise<number> {
  let at = 0;
  await response.body((chunk) => {
    if (size !== undefined && chunk.length > size - at) throw brokenAnswer('long', `The server sent more than the ${size} bytes that it had announced`);
    watchdog.progress(chunk.length);
    const offset = at;
    at += chunk.length;
    return spool.put(offset, chunk);
  });
  if (size !== undefined && at < size) throw brokenAnswer('short', `The server sent ${at} of ${size} bytes`);
  if (at < spool.filled) throw brokenAnswer('short', `The server sent ${at} bytes where there had been ${spool.filled} before`);
  return at;
}

function asBlockError(error: unknown): BlockError {
  return error instanceof BlockError ? error : new BlockError('io', messageOf(error), { driver: 'http' }, error);
}
