/** Beginning to speak to the peers of a volume: the way there, and the first question. */
import type { Host } from '@blk/core-graph';
import { Calls } from './calls.js';
import type { ArchipelagoDriverOptions } from './driver.js';
import type { Place } from './place.js';
import { INFO_BYTES, Op, parseInfo } from './protocol.js';

export interface ReachOptions {
  readonly host: Pick<Host, 'timer'>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Joins the segment of a volume, does `first`, and gives back its result; nothing is left behind where that fails. What `first` keeps of the calls it
 * has to close itself.
 */
export async function reach<T>(place: Place, { library, transport }: ArchipelagoDriverOptions, { host, signal }: ReachOptions, first: (calls: Calls) => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  const open = transport ?? (await import('./native/open-transport.js')).nativeTransport(library);
  const calls = await Calls.open(open, place, host);
  const abort = (): void => { calls.abandon(signal?.reason as Error); };
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    return await first(calls);
  } catch (error) {
    await calls.close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The size of the volume, in bytes, as its mapper has it. */
export async function askSize(calls: Calls): Promise<number> {
  const into = new Uint8Array(INFO_BYTES);
  await calls.run({ op: Op.info, offset: 0, length: INFO_BYTES, start: 0, into });
  return parseInfo(into);
}
