/** An io_uring of the kernel, by plain system calls on mapped memory. */
import { closeSync, read } from 'node:fs';
import type { Binding } from './koffi.js';
import { Errno, type Ring } from './native.js';

const ENTRIES = 128;
/** Entries handed over at once. The kernel starts them together: in small pieces the device begins while we hand on. */
const PIECE = 4;
const SYS_SETUP = 425;
const SYS_ENTER = 426;
const SYS_REGISTER = 427;
const REGISTER_EVENTFD = 4;
const FEAT_SINGLE_MMAP = 1;
const OP_READ = 22;
const OP_WRITE = 23;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const OFFSET_RINGS = 0;
const OFFSET_SQES = 0x10000000;
const SQE_BYTES = 64;
const CQE_WORDS = 4;

/** Positions in `struct io_uring_params`, in 32-bit words. */
const PARAM = { sqEntries: 0, cqEntries: 1, features: 5, sq: 10, cq: 20 } as const;
const SQ = { tail: 1, mask: 2, array: 6 } as const;
const CQ = { head: 0, tail: 1, mask: 2, cqes: 5, flags: 6 } as const;
const CQ_EVENTFD_DISABLED = 1;

/** Sets a ring up; undefined where the kernel does not let us. */
export function openIoUring({ koffi, addresses, func }: Binding): Ring | undefined {
  const syscall2 = func('syscall', 'long', 'long', 'uint32', 'uintptr_t');
  const enter = func('syscall', 'long', 'long', 'int', 'uint32', 'uint32', 'uint32', 'uintptr_t', 'size_t');
  const register = func('syscall', 'long', 'long', 'int', 'uint32', 'uintptr_t', 'uint32');
  const eventfd = func('eventfd', 'int', 'uint32', 'int');
  const mmap = func('mmap', 'intptr_t', 'uintptr_t', 'size_t', 'int', 'int', 'int', 'int64');
  const munmap = func('munmap', 'int', 'uintptr_t', 'size_t');

  const params = new Uint32Array(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer, 0, 30);
  const paramsBytes = new Uint8Array(params.buffer);
  const ringFd = syscall2(SYS_SETUP, ENTRIES, addresses.of(paramsBytes, 0, 120));
  if (ringFd < 0) return undefined;
  const undo: (() => void)[] = [() => { closeSync(ringFd); }];
  const giveUp = (): undefined => {
    for (const step of undo.reverse()) step();
    return undefined;
  };
  if (((params[PARAM.features]) & FEAT_SINGLE_MMAP) === 0) return giveUp();

  const word = (base: number, field: number): number => (params[base + field]) / 4;
  const entries = params[PARAM.sqEntries];
  const ringBytes = Math.max(
    (params[PARAM.sq + SQ.array]) + entries * 4,
    (params[PARAM.cq + CQ.cqes]) + (params[PARAM.cqEntries]) * CQE_WORDS * 4,
  );
  const map = (bytes: number, offset: number): ArrayBuffer | undefined => {
    const address = mmap(0, bytes, PROT_READ_WRITE, MAP_SHARED_POPULATE, ringFd, offset);
    if (address === -1) return undefined;
    undo.push(() => { munmap(address, bytes); });
    return koffi.view(BigInt(address), bytes);
  };
  const rings = map(ringBytes, OFFSET_RINGS);
  const sqes = map(entries * SQE_BYTES, OFFSET_SQES);
  if (rings === undefined || sqes === undefined) return giveUp();
  const eventFd = eventfd(0, 0x80000);
  if (eventFd < 0) return giveUp();
  undo.push(() => { closeSync(eventFd); });
  params[0] = eventFd;
  if (register(SYS_REGISTER, ringFd, REGISTER_EVENTFD, addresses.of(paramsBytes, 0, 4), 1) < 0) return giveUp();

  const words = new Int32Array(rings);
  const slots = new Int32Array(sqes);
  const sqTail = word(PARAM.sq, SQ.tail);
  const sqMask = words[word(PARAM.sq, SQ.mask)];
  const sqArray = word(PARAM.sq, SQ.array);
  const cqHead = word(PARAM.cq, CQ.head);
  const cqTail = word(PARAM.cq, CQ.tail);
  const cqMask = words[word(PARAM.cq, CQ.mask)];
  const cqes = word(PARAM.cq, CQ.cqes);
  // Kernels before 5.8 have no such word; they notify always.
  const cqFlags = word(PARAM.cq, CQ.flags);
  const counter = Buffer.alloc(8);
  // Entries written but not published, and published but not taken by the kernel.
  let queued = 0;
  let published = 0;

  return {
    entries,
    queue(id, write, fd, offset, buffer, start, length) {
      const tail = (words[sqTail]) + queued;
      const index = tail & sqMask;
      const at = index * (SQE_BYTES / 4);
      slots.fill(0, at, at + SQE_BYTES / 4);
      const address = addresses.of(buffer, start, length);
      slots[at] = write ? OP_WRITE : OP_READ;
      slots[at + 1] = fd;
      slots[at + 2] = offset | 0;
      slots[at + 3] = (offset / 4294967296) | 0;
      slots[at + 4] = address | 0;
      slots[at + 5] = (address / 4294967296) | 0;
      slots[at + 6] = length;
      slots[at + 8] = id;
      words[sqArray + index] = index;
      queued++;
    },
    submit() {
      // The store of the tail publishes the entries before it.
      Atomics.add(words, sqTail, queued);
      published += queued;
      queued = 0;
      while (published > 0) {
        const taken = enter(SYS_ENTER, ringFd, Math.min(published, PIECE), 0, 0, 0, 0);
        if (taken >= 0) published -= taken;
        else if (koffi.errno() !== -Errno.EINTR) return -koffi.errno();
      }
      return 0;
    },
    reap(done) {
      for (;;) {
        const head = words[cqHead];
        if (head === Atomics.load(words, cqTail)) return;
        const at = cqes + (head & cqMask) * CQE_WORDS;
        const id = words[at];
        const result = words[at + 2];
        Atomics.store(words, cqHead, (head + 1) | 0);
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
    notify(on) {
      if (cqFlags > 0) Atomics.store(words, cqFlags, on ? 0 : CQ_EVENTFD_DISABLED);
    },
    close() {
      giveUp();
    },
  };
}
