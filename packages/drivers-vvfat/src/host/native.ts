/**
 * Looking at small files and reading them by the C library itself, through koffi, an optional package: half of what it takes through Node, and in the very
 * folder that is held open. Whatever does not go smoothly is left to Node, which tells why.
 */
import { constants } from 'node:fs';
import { endianness } from 'node:os';
import { isSameIdentity, type FileIdentity } from './identity.js';
import type { HostStatus } from './status.js';

export interface NativeCalls {
  /** The names in an open folder that nobody has listed yet, but for `.` and `..`, each told when it is found. Undefined: they could not all be told. */
  list(folder: number, tell: (name: string) => void): string[] | undefined;
  /** What `name` is in the open folder, links not followed. Undefined: it could not be told. */
  look(folder: number, name: string): HostStatus | undefined;
  /** Fills `buffer[start, start + length)` from `at` in a file; false where that is not all there, or the file is not this one any more. */
  read(folder: number, name: string, file: FileIdentity, at: number, buffer: Uint8Array, start: number, length: number): boolean;
}

/** The part of koffi that is used here. */
interface Koffi {
  load(library: null): { func(name: string, result: string, parameters: readonly string[]): (...values: number[]) => number };
  address(value: Uint8Array): bigint;
}

let loaded: Promise<NativeCalls | undefined> | undefined;

/** Loads koffi, once; undefined where it is not installed, or where the system is not one that is known here. */
export function loadNative(): Promise<NativeCalls | undefined> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<NativeCalls | undefined> {
  if (process.platform !== 'linux' || endianness() !== 'LE' || !['x64', 'arm64', 'riscv64', 'loong64'].includes(process.arch)) return undefined;
  try {
    return bind((await import('koffi')).default);
  } catch {
    // Not installed, or not for this machine.
    return undefined;
  }
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | 0o2000000; // O_CLOEXEC
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
/** Where in the scratch memory names are, an empty one, a `struct statx`, and entries of a folder; how many bytes these have, and as many characters as a name may have to fit whatever they are. */
const [NAME, EMPTY, STATUS, ENTRIES, ENTRIES_BYTES, MOST] = [0, 2048, 4096, 65536, 65536, 512];

function bind(koffi: Koffi): NativeCalls {
  const library = koffi.load(null);
  const openat = library.func('openat', 'int', ['int', 'uintptr_t', 'int']);
  const pread = library.func('pread', 'int64', ['int', 'uintptr_t', 'size_t', 'int64']);
  const statx = library.func('statx', 'int', ['int', 'uintptr_t', 'int', 'uint', 'uintptr_t']);
  const close = library.func('close', 'int', ['int']);
  const getdents64 = library.func('getdents64', 'int64', ['int', 'uintptr_t', 'size_t']);
  // Memory that stays where it is.
  const scratch = Buffer.from(new WebAssembly.Memory({ initial: 2, maximum: 2 }).buffer);
  const base = Number(koffi.address(scratch));
  const words = new DataView(scratch.buffer);
  let known: ArrayBufferLike | undefined;
  let knownAddress = 0;

  const putName = (name: string): boolean => {
    if (name.length > MOST) return false;
    scratch[scratch.write(name, NAME)] = 0;
    return true;
  };
  /** 64 bits as a number, where that holds them. */
  const wide = (at: number): number => words.getUint32(at + 4, true) * 0x100000000 + words.getUint32(at, true);
  const identity = (): FileIdentity => {
    const ino = wide(STATUS + 32);
    const [major, minor] = [words.getUint32(STATUS + 136, true), words.getUint32(STATUS + 140, true)];
    return {
      // As the C library puts them together.
      dev: (minor & 0xff) + (major & 0xfff) * 0x100 + (minor >>> 8) * 0x100000 + (major >>> 12) * 0x100000000000,
      ino: Number.isSafeInteger(ino) ? ino : words.getBigUint64(STATUS + 32, true),
      size: wide(STATUS + 40),
      mtimeSec: seconds(STATUS + 112), mtimeNsec: words.getUint32(STATUS + 120, true),
      ctimeSec: seconds(STATUS + 96), ctimeNsec: words.getUint32(STATUS + 104, true),
    };
  };
  const seconds = (at: number): number => words.getInt32(at + 4, true) * 0x100000000 + words.getUint32(at, true);
  const isThis = (fd: number, file: FileIdentity): boolean => {
    return statx(fd, base + EMPTY, AT_EMPTY_PATH, STATX_BASIC_STATS, base + STATUS) === 0 && isSameIdentity(identity(), file);
  };
  const addressOf = (buffer: Uint8Array): number => {
    if (buffer.buffer !== known) {
      knownAddress = Number(koffi.address(new Uint8Array(buffer.buffer)));
      known = buffer.buffer;
    }
    return knownAddress + buffer.byteOffset;
  };

  return {
    list(folder, tell) {
      const names: string[] = [];
      for (;;) {
        const length = getdents64(folder, base + ENTRIES, ENTRIES_BYTES);
        if (length <= 0) return length === 0 ? names : undefined;
        for (let at = ENTRIES; at < ENTRIES + length; at += words.getUint16(at + 16, true)) {
          const name = scratch.toString('utf8', at + 19, scratch.indexOf(0, at + 19));
          if (name === '.' || name === '..') continue;
          tell(name);
          names.push(name);
        }
      }
    },
    look(folder, name) {
      if (!putName(name) || statx(folder, base + NAME, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, base + STATUS) !== 0) return undefined;
      return { mode: words.getUint16(STATUS + 28, true), identity: identity() };
    },
    read(folder, name, file, at, buffer, start, length) {
      if (start < 0 || length < 0 || start + length > buffer.byteLength || !putName(name)) return false;
      const fd = openat(folder, base + NAME, READ);
      if (fd < 0) return false;
      try {
        const target = addressOf(buffer) + start;
        for (let done = 0; done < length; ) {
          const count = pread(fd, target + done, length - done, at + done);
          if (count <= 0) return false;
          done += count;
        }
        return isThis(fd, file);
      } finally {
        close(fd);
      }
    },
  };
}
