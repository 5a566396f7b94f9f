/** The way to a server that has greeted, within a time: whatever hangs on it, be it the network, TLS or an answer, is ended. */
import { BlockError, platformHost, type Clock } from '@blk/core-graph';
import type { NbdAddress } from '../codec/uri.js';
import { Channel, describeAddress } from './channel.js';
import { Negotiator } from './negotiate.js';
import type { ClientTls } from './tls.js';

export interface GreetingOptions {
  /** Encrypts; a server that does not offer it is refused. */
  readonly tls?: ClientTls;
  /** Milliseconds for connecting and the handshake; 0: no limit. Default 30,000. */
  readonly timeout?: number;
  /** What times are measured by. Left out: the platform's. */
  readonly clock?: Pick<Clock, 'timer'>;
  readonly signal?: AbortSignal;
}

type Use<T> = (channel: Channel, negotiator: Negotiator) => Promise<T>;

/** Connects and greets; the channel is closed where `use`, or anything before it, fails or takes too long. */
export async function withChannel<T>(address: NbdAddress, options: GreetingOptions, use: Use<T>): Promise<T> {
  const { tls, signal, timeout = 30_000, clock = platformHost } = options;
  const ending = new AbortController();
  const abort = (): void => { ending.abort(new BlockError('aborted', 'Connecting was aborted', {}, signal?.reason)); };
  const late = (): void => {
    ending.abort(new BlockError('timeout', `Failed to connect to '${describeAddress(address)}': No answer within ${timeout / 1000} s`));
  };
  const cancel = timeout === 0 ? undefined : clock.timer(timeout, late);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted === true) abort();
  try {
    return await greeted(address, tls, ending.signal, use);
  } catch (error) {
    // What came of ending the connection says less than why it was ended.
    throw ending.signal.aborted ? ending.signal.reason : error;
  } finally {
    cancel?.();
    signal?.removeEventListener('abort', abort);
  }
}

async function greeted<T>(address: NbdAddress, tls: ClientTls | undefined, ending: AbortSignal, use: Use<T>): Promise<T> {
  const channel = await Channel.open(address, ending);
  const end = (): void => { channel.destroy(ending.reason as BlockError); };
  ending.addEventListener('abort', end);
  try {
    const negotiator = new Negotiator(channel);
    await negotiator.greet(tls);
    return await use(channel, negotiator);
  } catch (error) {
    channel.destroy(error instanceof BlockError ? error : new BlockError('io', 'Handshake failed', {}, error));
    throw error;
  } finally {
    ending.removeEventListener('abort', end);
  }
}
