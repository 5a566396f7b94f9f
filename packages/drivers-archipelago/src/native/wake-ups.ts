/**
 * Wake-ups of a port in the event loop. A port has a FIFO, into which peers write a byte for each answer while the port asks to be woken. We read it
 * through an opening of our own, so that the library may close its.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { lacking } from '../errors.js';
import type { Xseg } from './library.js';

/** In a port's signal descriptor, behind the 16 characters of the FIFO's name. */
const DESCRIPTOR_FD = 16;

export class WakeUps {
  private constructor(private readonly socket: Socket) {}

  /** @param descriptor - address of the port's signal descriptor, whose FIFO is open */
  static open(xseg: Xseg, descriptor: number, wake: () => void): WakeUps {
    const bytes = new Uint8Array(4);
    xseg.peek(descriptor + DESCRIPTOR_FD, bytes, 0, bytes.length);
    const fd = openAgain(new DataView(bytes.buffer).getInt32(0, true));
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on('data', wake);
    // Answers are looked for now and then without being told.
    socket.on('error', () => undefined);
    return new WakeUps(socket);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.removeAllListeners('data');
      this.socket.once('close', () => { resolve(); });
      this.socket.destroy();
    });
  }
}

function openAgain(fd: number): number {
  const no = (cause?: unknown): Error => lacking(' 0.4; the library that was found has no FIFO for wake-ups', cause);
  if (fd < 0) throw no();
  let own: number;
  try {
    if (!fstatSync(fd).isFIFO()) throw no();
    // For writing too: without a writer it would be at its end.
    own = openSync(`/proc/self/fd/${fd}`, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    throw no(error);
  }
  if (fstatSync(own).isFIFO()) return own;
  closeSync(own);
  throw no();
}
