/** Opening a file on an FTP server: logging in, how large it is, and whether it can be read anywhere. */
import { BlockError, messageOf, type Completion, type DriverNode, type OpenContext } from '@blk/core-graph';
import { checkReadable, checkSettings, openingError, Patience, ReadAhead, RemoteNode, Spool, Watchdog } from '@blk/remote';
import type { FtpDriverOptions, FtpOptions, Scheme } from './drivers.js';
import { ftpError } from './errors.js';
import { placeOf } from './place.js';
import { ALIVE, FtpReader, type ReaderSettings } from './reader.js';
import { Session, type Version } from './session.js';

export async function openFtp(driver: Scheme, options: FtpOptions, context: OpenContext, given: FtpDriverOptions): Promise<DriverNode> {
  checkReadable(driver, context);
  const { readahead, timeout, spool } = checkSettings(driver, options);
  const place = await placeOf(driver, options, context);
  const stop = new AbortController();
  const settings: ReaderSettings = { place, authorities: given.authorities, host: context.host, timeout, signal: stop.signal };
  const abort = (): void => { stop.abort(new BlockError('aborted', 'Opening the image was aborted', { driver })); };
  context.signal?.addEventListener('abort', abort, { once: true });
  if (context.signal?.aborted === true) abort();
  try {
    const { session, version, restarts } = await firstLook(settings);
    const reader = new FtpReader(settings, session, version);
    const content = restarts || version.size === 0 ? ranges(reader, readahead) : await spooled(reader, settings, spool).catch((error: unknown) => {
      session.destroy(openingError(driver, error));
      throw error;
    });
    return new RemoteNode({
      driver,
      filename: options.url ?? options.filename ?? '',
      size: version.size,
      warn: (message) => { context.warn(message); },
      read: content.read,
      close: async () => {
        const closed = new BlockError('closed', 'The image was closed', { driver });
        stop.abort(closed);
        reader.close(closed);
        await content.close();
      },
    });
  } catch (error) {
    throw context.signal?.aborted === true ? error : openingError(driver, error);
  } finally {
    context.signal?.removeEventListener('abort', abort);
  }
}

interface Content {
  readonly read: (offset: number, buffer: Uint8Array, start: number, length: number) => Completion;
  readonly close: () => Promise<void>;
}

/** One attempt: a server that is not there, or says no, when an image is opened is not waited for. */
async function firstLook(settings: ReaderSettings): Promise<{ readonly session: Session; readonly version: Version; readonly restarts: boolean }> {
  const watchdog = new Watchdog({ ...settings, driver: 'ftp' });
  const alive = (): void => { watchdog.progress(ALIVE); };
  let session: Session | undefined;
  const abort = (): void => { session?.destroy(watchdog.signal.reason as Error); };
  watchdog.signal.addEventListener('abort', abort, { once: true });
  try {
    session = await Session.open(settings, alive, watchdog.signal);
    const version = await session.version();
    const restarts = await session.canRestart(version);
    if (session.failed) session = await Session.open(settings, alive, watchdog.signal);
    return { session, version, restarts };
  } catch (error) {
    session?.destroy(error as Error);
    throw error;
  } finally {
    watchdog.signal.removeEventListener('abort', abort);
    watchdog.done();
  }
}

function ranges(reader: FtpReader, readahead: number): Content {
  const ahead = new ReadAhead(reader, readahead);
  return {
    read: (offset, buffer, start, length) => ahead.read(offset, buffer, start, length),
    close: async () => { ahead.close(); },
  };
}

/** Fetches the file once, in the background, and keeps it. */
async function spooled(reader: FtpReader, settings: ReaderSettings, cap: number): Promise<Content> {
  if (cap === 0) throw ftpError('unsupported', 'no-restart', 'The server sends files as a whole only (no REST)');
  const spool = await Spool.open({ driver: 'ftp', cap });
  try {
    spool.checkFits(reader.size);
  } catch (error) {
    await spool.close();
    throw error;
  }
  fill(reader, settings, spool).catch((error: unknown) => {
    spool.fail(error instanceof BlockError ? error : ftpError('io', 'spool', messageOf(error), undefined, error));
  });
  return { read: (offset, buffer, start, length) => spool.read(offset, buffer, start, length), close: () => spool.close() };
}

async function fill(reader: FtpReader, settings: ReaderSettings, spool: Spool): Promise<void> {
  const patience = new Patience(settings);
  for (;;) {
    const before = spool.filled;
    const error = await reader.whole((offset, chunk) => spool.put(offset, chunk));
    if (error === undefined) return;
    await patience.again(error, spool.filled - before);
  }
}
