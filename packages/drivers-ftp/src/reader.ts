/** Reading anywhere in a file over one login: a reader that goes on finds the transfer still running; one that jumps has it begun anew. */
import type { BlockError, Host } from '@blk/core-graph';
import { Patience, Watchdog, type RangeSource } from '@blk/remote';
import type { ControlSettings } from './control.js';
import { ftpError, isChanged } from './errors.js';
import { Session, type Version } from './session.js';

export interface ReaderSettings extends ControlSettings {
  readonly host: Host;
  /** Milliseconds; see `Watchdog`. */
  readonly timeout: number;
  /** Ends everything that is under way. */
  readonly signal: AbortSignal;
}

/** So many bytes are rather read and dropped than a transfer begun anew. */
const WORTH_SKIPPING = 256 * 1024;
/** What a reply is worth to the watchdog: it counts bytes, and a server that answers is alive. */
export const ALIVE = 2 ** 40;

interface Request {
  readonly offset: number;
  readonly length: number;
  readonly run: () => Promise<void>;
}

export class FtpReader implements RangeSource {
  readonly size: number;
  #session: Session | undefined;
  #changed: BlockError | undefined;
  #queue: Request[] = [];
  #running = false;

  /** `session` is logged in, and about the file `version`. */
  constructor(
    private readonly settings: ReaderSettings,
    session: Session,
    private readonly version: Version,
  ) {
    this.size = version.size;
    this.#session = session;
  }

  fetch(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ offset, length, run: () => this.#fetch(offset, buffer, start, length).then(resolve, reject) });
      if (!this.#running) void this.#work();
    });
  }

  /** Hands over all of the file from the front, for those who keep it. Gives back what went wrong, if anything did. */
  whole(take: (offset: number, chunk: Uint8Array) => Promise<void>): Promise<unknown> {
    return this.#attempt(0, this.size, async (session, watchdog) => {
      const stream = session.stream ?? (await session.retrieve(0, this.version));
      for (let at = 0; at < this.size; ) {
        const pieces: Uint8Array[] = [];
        const got = await stream.read(Math.min(WORTH_SKIPPING, this.size - at), (chunk) => {
          pieces.push(chunk);
          watchdog.progress(chunk.length);
        });
        for (const piece of pieces) {
          await take(at, piece);
          at += piece.length;
        }
        if (got === 0) throw ended(at, this.size);
      }
      await session.end({ whole: true });
    });
  }

  close(error: Error): void {
    this.#session?.destroy(error);
  }

  /** One after the other: the one that goes on where the transfer is first. */
  async #work(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      const position = this.#session?.stream?.position;
      const at = Math.max(0, this.#queue.findIndex((request) => request.offset === position));
      const [request] = this.#queue.splice(at, 1);
      await request.run();
    }
    this.#running = false;
  }

  async #fetch(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const patience = new Patience(this.settings);
    for (let got = 0; ; ) {
      const before = got;
      const error = await this.#attempt(offset + got, length - got, async (session, watchdog) => {
        const stream = await this.#streamAt(session, offset + got, watchdog);
        const wanted = length - got;
        const came = await stream.read(wanted, (chunk) => {
          buffer.set(chunk, start + got);
          got += chunk.length;
          watchdog.progress(chunk.length);
        });
        if (came < wanted) throw ended(offset + got, this.size);
        if (stream.position === this.size) await session.end({ whole: true });
      });
      if (error === undefined) return;
      // All of it came, and then the server said that it was not right.
      if (got === length) got = before;
      await patience.again(error, got - before);
    }
  }

  async #streamAt(session: Session, offset: number, watchdog: Watchdog): Promise<NonNullable<Session['stream']>> {
    const { stream } = session;
    const skipped = stream === undefined ? -1 : offset - stream.position;
    if (stream !== undefined && skipped >= 0 && skipped <= WORTH_SKIPPING) {
      if ((await stream.read(skipped, (chunk) => { watchdog.progress(chunk.length); })) === skipped) return stream;
    }
    await session.end({ whole: false });
    return session.retrieve(offset, this.version);
  }

  /** Runs `work` on a session that works, under a watchdog. Gives back what went wrong; the session is given up then. */
  async #attempt(offset: number, length: number, work: (session: Session, watchdog: Watchdog) => Promise<void>): Promise<unknown> {
    if (this.#changed !== undefined) return this.#changed;
    if (length === 0) return undefined;
    const watchdog = new Watchdog({ ...this.settings, driver: 'ftp' });
    const alive = (): void => { watchdog.progress(ALIVE); };
    const abort = (): void => { this.#session?.destroy(watchdog.signal.reason as Error); };
    watchdog.signal.addEventListener('abort', abort, { once: true });
    try {
      if (this.#session === undefined || this.#session.failed) this.#session = await Session.open(this.settings, alive, watchdog.signal);
      this.#session.onReply = alive;
      watchdog.signal.throwIfAborted();
      await work(this.#session, watchdog);
      return undefined;
    } catch (error) {
      if (isChanged(error)) this.#changed ??= error;
      this.#session?.destroy(ftpError('io', 'given-up', `The transfer from ${offset} on was given up`));
      this.#session = undefined;
      return error;
    } finally {
      watchdog.done();
    }
  }
}

function ended(at: number, size: number): Error {
  return ftpError('io', 'short', `The server's data ended at ${at} of ${size} bytes`);
}
