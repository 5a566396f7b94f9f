/**
 * Linux AIO as a ring: what `aio=native` means. Beside io_uring it does not hand direct writes on ext4 to a worker, one after
 * the other; in exchange handing over may wait, for example where blocks have to be allocated first.
 */
import { closeSync, read } from 'node:fs';
import type { Binding } from './koffi.js';
import { Errno, type Ring } from './native.js';

const ENTRIES = 128;
/** Requests handed over at once: in pieces the device begins while we hand on. */
const PIECE = 8;
const IOCB_BYTES = 64;
const CMD_READ = 0;
const CMD_WRITE = 1;
const FLAG_RESFD = 1;
/** Header of the ring of completions that the kernel maps into the process, in 32-bit words. */
const HEAD = 2;
const TAIL = 3;
const MAGIC = 4;
const MAGIC_VALUE = 0xa10a10a1 | 0;
const SLOTS = 1;
const HEADER_WORDS = 8;
const EVENT_WORDS = 8;

/** Numbers of io_setup, io_destroy and io_submit. */
const CALLS: Partial<Record<string, readonly [number, number, number]>> = {
  x64: [206, 207, 209],
  arm64: [0, 1, 2],
  riscv64: [0, 1, 2],
  loong64: [0, 1, 2],
};

/** Sets a context up; undefined where the kernel does not let us, or maps its ring otherwise than is known. */
export function openLinuxAio({ koffi, addresses, func }: Binding): Ring | undefined {
  const numbers = CALLS[process.arch];
  if (numbers === undefined) return undefined;
  const [SETUP, DESTROY, SUBMIT] = numbers;
  const setup = func('syscall', 'long', 'long', 'uint32', 'uintptr_t');
  const destroy = func('syscall', 'long', 'long', 'uintptr_t');
  const enter = func('syscall', 'long', 'long', 'uintptr_t', 'long', 'uintptr_t');
  const eventfd = func('eventfd', 'int', 'uint32', 'int');

  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer;
  const bytes = new Uint8Array(memory);
  const base = addresses.of(bytes, 0, 0);
  const words = new Int32Array(memory);
  const pointersAt = ENTRIES * IOCB_BYTES;
  const contextAt = pointersAt + ENTRIES * 8;
  if (setup(SETUP, ENTRIES, base + contextAt) < 0) return undefined;
  const context = Number(new DataView(memory).getBigUint64(contextAt, true));
  const probe = new Int32Array(koffi.view(BigInt(context), HEADER_WORDS * 4));
  const eventFd = probe[MAGIC] === MAGIC_VALUE ? eventfd(0, 0x80000) : -1;
  if (eventFd < 0) {
    destroy(DESTROY, context);
    return undefined;
  }
  const slots = probe[SLOTS];
  const ring = new Int32Array(koffi.view(BigInt(context), (HEADER_WORDS + slots * EVENT_WORDS) * 4));
  const counter = Buffer.alloc(8);
  /** Requests in the array of pointers that wait for `submit`. */
  let queued = 0;
  /** Requests that the kernel did not even begin, by id and error. */
  const refused: [number, number][] = [];

  const put = (at: number, value: number): void => {
    words[at] = value | 0;
    words[at + 1] = (value / 4294967296) | 0;
  };

  return {
    entries: ENTRIES,
    queue(id, write, fd, offset, buffer, start, length) {
      const at = (id * IOCB_BYTES) / 4;
      words.fill(0, at, at + IOCB_BYTES / 4);
      words[at] = id;
      // In one word: opcode in the lower half; no priority.
      words[at + 4] = write ? CMD_WRITE : CMD_READ;
      words[at + 5] = fd;
      put(at + 6, addresses.of(buffer, start, length));
      put(at + 8, length);
      put(at + 10, offset);
      words[at + 14] = FLAG_RESFD;
      words[at + 15] = eventFd;
      put(pointersAt / 4 + queued * 2, base + id * IOCB_BYTES);
      queued++;
    },
    submit() {
      let done = 0;
      while (done < queued) {
        const taken = enter(SUBMIT, context, Math.min(queued - done, PIECE), base + pointersAt + done * 8);
        if (taken > 0) {
          done += taken;
          continue;
        }
        const error = taken < 0 ? -koffi.errno() : Errno.EAGAIN;
        if (error === Errno.EINTR) continue;
        if (error !== Errno.EAGAIN) {
          // It is the first one that can't be done; the others can.
          const iocb = words[pointersAt / 4 + done * 2] - (base | 0);
          refused.push([iocb / IOCB_BYTES, error]);
          done++;
          continue;
        }
        words.copyWithin(pointersAt / 4, pointersAt / 4 + done * 2, pointersAt / 4 + queued * 2);
        queued -= done;
        return error;
      }
      queued = 0;
      return 0;
    },
    reap(done) {
      for (const [id, error] of refused.splice(0)) done(id, error);
      for (;;) {
        const head = Atomics.load(ring, HEAD);
        if (head === Atomics.load(ring, TAIL)) return;
        const at = HEADER_WORDS + head * EVENT_WORDS;
        const id = ring[at];
        const result = ring[at + 4];
        Atomics.store(ring, HEAD, (head + 1) % slots);
        done(id, result);
      }
    },
    wait: () =>
      new Promise((resolve, reject) => {
        read(eventFd, counter, 0, 8, null, (error) => {
          if (error) reject(error);
          else resolve();
        });
      }),
    notify() {
      // The kernel always does.
    },
    close() {
      destroy(DESTROY, context);
      closeSync(eventFd);
    },
  };
}
