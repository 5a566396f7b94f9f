/** What a monitor speaks through. Any pair of streams will do. */
import type { Readable, Writable } from 'node:stream';

/** The way out, and the hold on the way in. */
export interface Transport {
  /** Sends text. Never throws; text for a client that is gone is dropped. */
  send(text: string): void;
  /** Bytes that the client has not taken yet. */
  readonly pending: number;
  pause(): void;
  resume(): void;
  /** Sends what is pending, then closes. Resolves when that is done, or after `timeout` milliseconds. */
  end(timeout: number): Promise<void>;
}

/** Told by a transport. */
export interface TransportEvents {
  received(bytes: Uint8Array): void;
  /** The client took something of what was pending. */
  taken(): void;
  /** The other side has said all that it will; it may still listen. */
  ended(): void;
  /** The other side is gone. */
  gone(): void;
}

export interface StreamPair {
  readonly readable: Readable;
  readonly writable: Writable;
}

/** A transport over two streams, or over one that is both. The streams are the transport's own from here on. */
export function streamTransport({ readable, writable }: StreamPair, events: TransportEvents): Transport {
  let gone = false;
  const close = (): void => {
    if (gone) return;
    gone = true;
    readable.destroy();
    events.gone();
  };
  readable.on('data', (chunk: Uint8Array | string) => {
    events.received(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  });
  readable.on('end', () => {
    if (!gone) events.ended();
  });
  readable.on('error', close);
  writable.on('error', close);
  writable.on('close', close);
  // Not the event 'drain': it comes only where more was pending than the stream likes.
  const taken = (): void => {
    events.taken();
  };
  return {
    send(text) {
      if (!gone && writable.writable) writable.write(text, taken);
    },
    get pending() {
      return gone ? 0 : writable.writableLength;
    },
    pause: () => void readable.pause(),
    resume: () => {
      if (!gone) readable.resume();
    },
    end: (timeout) => endOf(writable, readable, timeout),
  };
}

function endOf(writable: Writable, readable: Readable, timeout: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      writable.destroy();
      readable.destroy();
      resolve();
    };
    const timer = setTimeout(done, timeout);
    if (writable.destroyed) {
      done();
      return;
    }
    writable.once('close', done);
    writable.end(done);
  });
}
