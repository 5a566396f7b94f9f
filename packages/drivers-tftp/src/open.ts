/** Opening a file on a TFTP server: it comes from the front to the back and no other way, so it is fetched once and kept. */
import { BlockError, messageOf, type DriverNode, type OpenContext } from '@blk/core-graph';
import { checkReadable, checkSettings, openingError, Patience, RemoteNode, Spool, Watchdog, type RemoteSettings } from '@blk/remote';
import type { TftpOptions } from './driver.js';
import { tftpError } from './errors.js';
import { placeOf, type Place } from './place.js';
import { transfer, wrongSize } from './transfer.js';

export async function openTftp(options: TftpOptions, context: OpenContext): Promise<DriverNode> {
  checkReadable('tftp', context);
  const settings = checkSettings('tftp', options);
  const place = placeOf(options);
  const stop = new AbortController();
  const abort = (): void => { stop.abort(new BlockError('aborted', 'Opening the image was aborted', { driver: 'tftp' })); };
  context.signal?.addEventListener('abort', abort, { once: true });
  if (context.signal?.aborted === true) abort();
  const spool = await Spool.open({ driver: 'tftp', cap: settings.spool });
  try {
    const fetching = new Fetching(place, settings, spool, context, stop.signal);
    const size = await fetching.begin();
    return new RemoteNode({
      driver: 'tftp',
      filename: options.url ?? options.filename ?? '',
      size,
      warn: (message) => { context.warn(message); },
      read: (offset, buffer, start, length) => spool.read(offset, buffer, start, length),
      close: async () => {
        stop.abort(new BlockError('closed', 'The image was closed', { driver: 'tftp' }));
        await spool.close();
      },
    });
  } catch (error) {
    await spool.close();
    throw context.signal?.aborted === true ? error : openingError('tftp', error);
  } finally {
    context.signal?.removeEventListener('abort', abort);
  }
}

/** Transfers until all of the file is there. */
class Fetching {
  #size: number | undefined;

  constructor(
    private readonly place: Place,
    private readonly settings: RemoteSettings,
    private readonly spool: Spool,
    private readonly context: Pick<OpenContext, 'host'>,
    private readonly signal: AbortSignal,
  ) {}

  /** The size, as soon as it is known: when the server begins, or, where it does not tell, when everything is there. */
  begin(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#run(resolve).then(resolve, (error: unknown) => {
        const failure = error instanceof BlockError ? error : tftpError('io', 'transfer', messageOf(error));
        this.spool.fail(failure);
        reject(failure);
      });
    });
  }

  async #run(known: (size: number) => void): Promise<number> {
    const patience = new Patience({ host: this.context.host, signal: this.signal });
    for (;;) {
      const before = this.spool.filled;
      try {
        return await this.#attempt(known);
      } catch (error) {
        // A server that does not answer when the image is opened is not waited for.
        if (this.#size === undefined) throw error;
        await patience.again(error, this.spool.filled - before);
      }
    }
  }

  async #attempt(known: (size: number) => void): Promise<number> {
    const { place, spool, settings, context, signal } = this;
    const watchdog = new Watchdog({ host: context.host, driver: 'tftp', timeout: settings.timeout, signal });
    try {
      const came = await transfer({
        place,
        host: context.host,
        watchdog,
        begun: (size) => {
          if (size === undefined) return;
          if (this.#size !== undefined && this.#size !== size) throw tftpError('corrupt', 'changed', `The file on the server has changed since it was opened: it has ${size} bytes where there were ${this.#size}`);
          spool.checkFits(size);
          this.#size = size;
          known(size);
        },
        take: (offset, bytes) => {
          if (offset + bytes.length > (this.#size ?? Infinity)) throw tftpError('io', 'long', `The server sends more than the ${this.#size} bytes that it had announced`);
          return spool.put(offset, bytes);
        },
      });
      if (came !== (this.#size ?? came)) throw wrongSize(came, this.#size ?? came);
      return came;
    } finally {
      watchdog.done();
    }
  }
}
