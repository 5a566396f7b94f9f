/**
 * Takes the bytes of a socket straight into buffers of ours.
 *
 * `node:net` can read into a given buffer (`onread`), but offers that only to sockets that a program makes itself, not to
 * those that a server accepts. So the handle of an accepted socket moves into a new one. That handle (`_handle`) is not
 * part of Node's documented interface, and this file is the only one that touches it: where it is not as expected, the
 * socket is read by its 'data' events, which is right as well, and slower. See docs/decisions/0007-sockets-into-own-buffers.md.
 */
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net';

/** Where the bytes of a socket go. */
export interface Receiver {
  /** The place for the next bytes; asked for before each read. */
  space(): Uint8Array;
  /** `length` bytes are at the start of `bytes`: what `space` gave, or a buffer of its own. False: no more for now. */
  received(bytes: Uint8Array, length: number): boolean;
}

/** A socket that was accepted and is paused, or one made by `socketOf`; gives back the socket to use from now on. */
export function adopt(accepted: Socket, receiver: Receiver): Socket {
  const holder = accepted as unknown as { _handle?: unknown };
  const handle = holder._handle;
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return readByEvents(accepted, receiver);
  let socket: Socket;
  try {
    const options = { handle, pauseOnCreate: true, ...intoBuffer(receiver) };
    socket = new Socket(options as SocketConstructorOpts);
  } catch {
    return readByEvents(accepted, receiver);
  }
  // The accepted socket must not close what it no longer owns.
  holder._handle = null;
  accepted.destroy();
  return socket;
}

/** The descriptor of a plain socket that is open; below 0 where there is none, or none to be seen. */
export function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' ? fd : -1;
}

/** Bytes that have left through a plain socket for the system; where its handle does not tell, writes that have left as a whole. */
export function leftOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly bytesWritten?: unknown; readonly writeQueueSize?: unknown } | null };
  const { bytesWritten: given, writeQueueSize: queued } = handle ?? {};
  return typeof given === 'number' && typeof queued === 'number' ? given - queued : socket.bytesWritten - socket.writableLength;
}

/** A socket over a connected descriptor, read into `receiver`. Starts with `resume`. */
export function socketOf(fd: number, receiver: Receiver): Socket {
  return new Socket({ fd, ...intoBuffer(receiver) });
}

/** Reads a socket by events: TLS, and sockets that have no handle of the expected kind. */
export function readByEvents<T extends Socket>(socket: T, receiver: Receiver): T {
  socket.on('data', (bytes: Uint8Array) => {
    if (!receiver.received(bytes, bytes.length)) socket.pause();
  });
  return socket;
}

/** As documented for `socket.connect`; the constructor takes the same, for the handle it is given. */
function intoBuffer(receiver: Receiver): { readonly onread: OnReadOpts } {
  return {
    onread: {
      buffer: () => receiver.space(),
      callback: (length, bytes) => receiver.received(bytes, length),
    },
  };
}
