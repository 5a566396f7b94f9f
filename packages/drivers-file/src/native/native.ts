/**
 * System calls that the drivers use, as an interface: what Node itself offers (`Calls`), and what needs a foreign function
 * interface (`Native`). Tests put their own in place.
 *
 * Results are the system's: a count, or the negative errno. Offsets and lengths are in bytes.
 */

/** Transfers made on the calling thread. They block for as long as the device does. */
export interface Calls {
  read(fd: number, offset: number, buffer: Uint8Array, start: number, length: number): number;
  readv(fd: number, offset: number, buffers: readonly Uint8Array[]): number;
  write(fd: number, offset: number, buffer: Uint8Array, start: number, length: number): number;
  writev(fd: number, offset: number, buffers: readonly Uint8Array[]): number;
}

/** Reads that the page cache serves; what it does not hold gives -EAGAIN, or a short count. */
export interface NoWaitCalls {
  readNoWait(fd: number, offset: number, buffer: Uint8Array, start: number, length: number): number;
  readvNoWait(fd: number, offset: number, buffers: readonly Uint8Array[]): number;
}

/** `ReadLock` lets other readers in; both are those of QEMU: open file description locks on one byte. */
export type LockKind = 'read' | 'none';

/** Everything that Node lacks. Linux only. */
export interface Native extends Calls, NoWaitCalls {
  /** Offset of the next data or hole at or after `offset`; -ENXIO beyond the last data. */
  seek(fd: number, offset: number, what: 'data' | 'hole'): number;
  /** The same in a thread of its own, for file systems that have to ask elsewhere. */
  seekLater(fd: number, offset: number, what: 'data' | 'hole'): Promise<number>;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  fallocateLater(fd: number, mode: number, offset: number, length: number): Promise<number>;
  /** Takes or drops a lock on the byte; -EAGAIN where somebody else holds it exclusively. */
  lock(fd: number, byte: number, kind: LockKind): number;
  /** 1: another open file description has a lock of any kind on the byte; 0: none has. */
  isLocked(fd: number, byte: number): number;
  /** Bytes of a block device. */
  deviceSize(fd: number): number;
  /** Gives a range of a block device back (`discard`), or makes it zeroes. In a thread of its own. */
  deviceRange(fd: number, verb: 'discard' | 'zeroes', offset: number, length: number): Promise<number>;
  /** `ioctl` with a number as its argument: its result, or the negative errno. In a thread of its own: drives take seconds. */
  control(fd: number, request: number, argument: number): Promise<number>;
  /** A new ring of the kernel's; undefined where the kernel has none of this kind, or forbids it. */
  ring(kind: RingKind): Ring | undefined;
}

/** Linux AIO, which waits where a write has to find its place first; and io_uring, which never does. */
export type RingKind = 'native' | 'io_uring';

/** Transfers that the kernel makes in the background, submitted and reaped in batches. */
export interface Ring {
  /** Requests that may be under way at once. */
  readonly entries: number;
  /** Queues one transfer; it starts with the next `submit`. The caller sees to `entries`, and keeps `buffer` alive. */
  queue(id: number, write: boolean, fd: number, offset: number, buffer: Uint8Array, start: number, length: number): void;
  /** Hands everything queued to the kernel: 0, or the negative errno; what the kernel did not take goes with the next call. */
  submit(): number;
  /** Calls `done` with id and result of every transfer that has finished. */
  reap(done: (id: number, result: number) => void): void;
  /** Resolves when a transfer has finished since the last time. Only while one is under way, and notified of. */
  wait(): Promise<void>;
  /** Whether transfers that finish are to end `wait`; whoever looks for them himself saves the kernel the trouble. */
  notify(on: boolean): void;
  close(): void;
}

/** Modes of `fallocate`; or-ed together. */
export const Fallocate = { Allocate: 0, KeepSize: 1, PunchHole: 2, ZeroRange: 16 } as const;

/** Numbers of Linux's errno, negative as results are. */
export const Errno = {
  EINTR: -4,
  ENXIO: -6,
  EAGAIN: -11,
  EACCES: -13,
  ENODEV: -19,
  EINVAL: -22,
  ENOTTY: -25,
  ENOSYS: -38,
  EOPNOTSUPP: -95,
} as const;

/** Loads the helper; undefined where it is not installed or the system is another. */
export type NativeLoader = () => Promise<Native | undefined>;
