/** `Native` by koffi, an optional, prebuilt package that calls the C library. */
import { endianness } from 'node:os';
import { Addresses, Vectors } from './addresses.js';
import { CallLimit } from './call-limit.js';
import { openIoUring } from './io-uring.js';
import { openLinuxAio } from './linux-aio.js';
import type { LockKind, Native } from './native.js';

/** The part of koffi that is used here. */
export interface Koffi {
  load(library: null): Library;
  errno(): number;
  address(value: Uint8Array): bigint;
  view(pointer: bigint, length: number): ArrayBuffer;
}

interface Library {
  func(name: string, result: string, parameters: readonly string[]): Func;
}

export interface Func {
  (...values: number[]): number;
  async(...values: [...number[], (error: Error | null, result: number) => void]): void;
}

/** What the parts of the binding share. */
export interface Binding {
  readonly koffi: Koffi;
  readonly addresses: Addresses;
  readonly func: (name: string, result: string, ...parameters: string[]) => Func;
}

let loaded: Promise<Native | undefined> | undefined;

/** Loads koffi, once; undefined where it is not installed, or where the system is not one that this binding knows. */
export function loadKoffi(): Promise<Native | undefined> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Native | undefined> {
  if (process.platform !== 'linux' || endianness() !== 'LE' || !['x64', 'arm64', 'riscv64', 'loong64'].includes(process.arch)) {
    return undefined;
  }
  try {
    return bind((await import('koffi')).default);
  } catch {
    // Not installed, or not for this machine: everything works without, some of it more slowly.
    return undefined;
  }
}

/** More than the thread pool takes; what waits here would wait there. */
const MOST_CALLS = 64;
const RWF_NOWAIT = 8;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;
const BLKDISCARD = 0x1277;
const BLKZEROOUT = 0x127f;
const BLKGETSIZE64 = 0x80081272;

function bind(koffi: Koffi): Native {
  const library = koffi.load(null);
  const func: Binding['func'] = (name, result, ...parameters) => library.func(name, result, parameters);
  const addresses = new Addresses((bytes) => koffi.address(bytes));
  const vectors = new Vectors(addresses);
  const scratch = new DataView(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer);
  const scratchAddress = addresses.of(new Uint8Array(scratch.buffer), 0, 0);

  const pread = func('pread', 'int64', 'int', 'uintptr_t', 'size_t', 'int64');
  const pwrite = func('pwrite', 'int64', 'int', 'uintptr_t', 'size_t', 'int64');
  const preadv2 = func('preadv2', 'int64', 'int', 'uintptr_t', 'int', 'int64', 'int');
  const pwritev2 = func('pwritev2', 'int64', 'int', 'uintptr_t', 'int', 'int64', 'int');
  const lseek = func('lseek', 'int64', 'int', 'int64', 'int');
  const fallocate = func('fallocate', 'int', 'int', 'int', 'int64', 'int64');
  const fcntl = func('fcntl', 'int', 'int', 'int', 'uintptr_t');
  const ioctl = func('ioctl', 'int', 'int', 'ulong', 'uintptr_t');

  const result = (value: number): number => (value < 0 ? -koffi.errno() : value);
  const limit = new CallLimit(MOST_CALLS);
  const later = (call: Func, ...values: number[]): Promise<number> =>
    limit.run(() =>
      new Promise((resolve, reject) => {
        call.async(...values, (error: Error | null, value: number) => {
          if (error) reject(error);
          else resolve(result(value));
        });
      }),
    );
  const whence = (what: 'data' | 'hole'): number => (what === 'data' ? SEEK_DATA : SEEK_HOLE);
  /** `struct flock` of one byte. */
  const flock = (type: number, byte: number): number => {
    for (let at = 0; at < 32; at += 8) scratch.setFloat64(at, 0);
    scratch.setInt16(0, type, true);
    scratch.setUint32(8, byte, true);
    scratch.setUint32(16, 1, true);
    return scratchAddress;
  };

  return {
    read: (fd, offset, buffer, start, length) => result(pread(fd, addresses.of(buffer, start, length), length, offset)),
    write: (fd, offset, buffer, start, length) => result(pwrite(fd, addresses.of(buffer, start, length), length, offset)),
    readv: (fd, offset, buffers) => result(preadv2(fd, vectors.address, vectors.many(buffers), offset, 0)),
    writev: (fd, offset, buffers) => result(pwritev2(fd, vectors.address, vectors.many(buffers), offset, 0)),
    readNoWait(fd, offset, buffer, start, length) {
      vectors.one(buffer, start, length);
      return result(preadv2(fd, vectors.address, 1, offset, RWF_NOWAIT));
    },
    readvNoWait: (fd, offset, buffers) =>
      result(preadv2(fd, vectors.address, vectors.many(buffers), offset, RWF_NOWAIT)),
    seek: (fd, offset, what) => result(lseek(fd, offset, whence(what))),
    seekLater: (fd, offset, what) => later(lseek, fd, offset, whence(what)),
    fallocate: (fd, mode, offset, length) => result(fallocate(fd, mode, offset, length)),
    fallocateLater: (fd, mode, offset, length) => later(fallocate, fd, mode, offset, length),
    lock: (fd, byte, kind: LockKind) => result(fcntl(fd, F_OFD_SETLK, flock(kind === 'read' ? F_RDLCK : F_UNLCK, byte))),
    isLocked(fd, byte) {
      const done = result(fcntl(fd, F_OFD_GETLK, flock(F_WRLCK, byte)));
      return done < 0 ? done : Number(scratch.getInt16(0, true) !== F_UNLCK);
    },
    deviceSize(fd) {
      const done = result(ioctl(fd, BLKGETSIZE64, scratchAddress));
      return done < 0 ? done : Number(scratch.getBigUint64(0, true));
    },
    async deviceRange(fd, verb, offset, length) {
      // A range of its own: several may be under way.
      const range = new BigUint64Array(new ArrayBuffer(16));
      range[0] = BigInt(offset);
      range[1] = BigInt(length);
      const bytes = new Uint8Array(range.buffer);
      const done = await later(ioctl, fd, verb === 'discard' ? BLKDISCARD : BLKZEROOUT, Number(koffi.address(bytes)));
      // Named here, so that it lives until the call is done.
      return bytes.length === 0 ? 0 : done;
    },
    control: (fd, request, argument) => later(ioctl, fd, request, argument),
    ring: (kind) => (kind === 'native' ? openLinuxAio : openIoUring)({ koffi, addresses, func }),
  };
}
