/**
 * The send buffer of a unix socket, made larger. Node has no call for that; koffi, an optional, prebuilt package, has. Without
 * it replies are as right, and long ones slower.
 */
import { endianness } from 'node:os';
import type { Socket } from 'node:net';
import { descriptorOf } from './adopt.js';

/**
 * In bytes; the system gives what its limits allow. A socket can be written to again when three quarters of its buffer are
 * empty, so that with one of the usual size the other side often has nothing to take.
 */
const SEND_BUFFER = 1024 * 1024;

/** The part of koffi that is used here. */
interface Koffi {
  load(library: null): { func(name: string, result: string, parameters: readonly string[]): SetOption };
}

type SetOption = (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;

/** As on all machines of the list below. */
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const MACHINES = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: Promise<SetOption | undefined> | undefined;

/** Enlarges the buffer of a unix socket, where that is possible; TCP finds its own size. */
export async function enlargeSendBuffer(socket: Socket): Promise<void> {
  if (socket.remoteAddress !== undefined) return;
  const setOption = await (loaded ??= load());
  // The socket may be closed by now, and its descriptor another's.
  const fd = descriptorOf(socket);
  if (fd >= 0) setOption?.(fd, SOL_SOCKET, SO_SNDBUF, new Uint8Array(Int32Array.of(SEND_BUFFER).buffer), 4);
}

async function load(): Promise<SetOption | undefined> {
  if (process.platform !== 'linux' || endianness() !== 'LE' || !MACHINES.includes(process.arch)) return undefined;
  try {
    const koffi: Koffi = (await import('koffi')).default;
    return koffi.load(null).func('setsockopt', 'int', ['int', 'int', 'int', 'const void *', 'uint32']);
  } catch {
    // Not installed, or not for this machine.
    return undefined;
  }
}
