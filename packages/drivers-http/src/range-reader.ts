/** Ranges of a file by requests of their own: several at a time, tried again where they broke off, and never of another version. */
import type { BlockError} from '@blk/core-graph';
import { type Host } from '@blk/core-graph';
import { Patience, Watchdog, type RangeSource } from '@blk/remote';
import type { HttpClient } from './client.js';
import { brokenAnswer, changedError, isAskew, isChanged } from './errors.js';
import type { Gate } from './gate.js';
import { checkSame, identityOf, ifRange, type Identity } from './identity.js';
import { checkPartial, readPart } from './partial.js';
import { parseLength } from './content-range.js';
import type { HttpResponse } from './transport.js';

export interface Traffic {
  readonly client: HttpClient;
  readonly gate: Gate;
  readonly host: Host;
  /** Milliseconds; see `Watchdog`. */
  readonly timeout: number;
  /** Ends everything that is under way. */
  readonly signal: AbortSignal;
}

/** Bytes of one fetch that have arrived. */
interface Progress {
  bytes: number;
}

export class RangeReader implements RangeSource {
  readonly size: number;
  /** Once there is another version, nothing is read any more. */
  #changed: BlockError | undefined;
  readonly #condition: Readonly<Record<string, string>>;

  constructor(
    private readonly traffic: Traffic,
    private readonly identity: Identity & { readonly size: number },
  ) {
    this.size = identity.size;
    const condition = traffic.client.transport.browser ? undefined : ifRange(identity);
    this.#condition = condition === undefined ? {} : { 'if-range': condition };
  }

  async fetch(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const patience = new Patience(this.traffic);
    const progress: Progress = { bytes: 0 };
    while (progress.bytes < length) {
      const { bytes } = progress;
      const error = await this.traffic.gate.run(() => this.#attempt(offset, buffer, start, length, progress));
      if (error === undefined && progress.bytes === length) return;
      await patience.again(error ?? brokenAnswer('short', 'The server sent less than it was asked for'), progress.bytes - bytes);
    }
  }

  /** Goes on where the attempt before ended. Gives back what went wrong. */
  async #attempt(offset: number, buffer: Uint8Array, start: number, length: number, progress: Progress): Promise<unknown> {
    if (this.#changed !== undefined) return this.#changed;
    const from = offset + progress.bytes;
    const end = offset + length;
    const watchdog = new Watchdog({ ...this.traffic, driver: 'http' });
    try {
      const response = await this.traffic.client.get({ range: `bytes=${from}-${end - 1}`, ...this.#condition }, watchdog.signal);
      const part = this.#check(response, from, end);
      await readPart(response, buffer, start + progress.bytes, part, (bytes) => {
        progress.bytes += bytes;
        watchdog.progress(bytes);
      });
      return undefined;
    } catch (error) {
      if (isChanged(error)) this.#changed ??= error;
      if (isAskew(error)) progress.bytes = from - offset;
      return error;
    } finally {
      watchdog.done();
    }
  }

  /** How many bytes the answer holds. */
  #check(response: HttpResponse, start: number, end: number): number {
    try {
      if (response.status === 416) throw changedError('the server has no such bytes any more');
      if (response.status === 200) {
        checkSame(this.identity, identityOf(response, parseLength(response.header('content-length'))));
        throw brokenAnswer('ignored', `The server ignored the range ${start}-${end - 1} and sent the whole file`);
      }
      const range = checkPartial(response, start, end);
      checkSame(this.identity, identityOf(response, range.total));
      return range.end - range.start;
    } catch (error) {
      response.cancel();
      throw error;
    }
  }
}
