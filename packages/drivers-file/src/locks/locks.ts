/**
 * Locks on an image that other processes honour, QEMU's among them.
 *
 * Whoever uses an image holds a shared lock on one byte for every permission that it has (100 and up), and on one for every
 * permission that it does not let others have (200 and up). After taking its own, it looks whether somebody holds the
 * opposite. So both sides see each other, whoever comes first.
 */
import { BlockError, PERMISSION_NAMES, type Access, type PreparedAccess } from '@blk/core-graph';
import { failed } from '../errors.js';
import type { LockKind, Native } from '../native/native.js';

const HELD = 100;
const UNSHARED = 200;
const ALL = 15;

/** How single bytes are locked; results are 0 (or 1: locked), or the negative errno. */
export interface ByteLocks {
  lock(byte: number, kind: LockKind): number;
  /** 1 where somebody else has a lock on the byte. */
  isLocked(byte: number): number;
}

/** Locks that are really taken, by the native helper. */
export function takenLocks(fd: number, native: Pick<Native, 'lock' | 'isLocked'>): ByteLocks {
  return { lock: (byte, kind) => native.lock(fd, byte, kind), isLocked: (byte) => native.isLocked(fd, byte) };
}

/** The locks of one open file. */
export class ImageLocks {
  /** Bytes locked, as bits: permissions held, and above them permissions not shared. */
  #locked = 0;
  #newest: object | undefined;

  constructor(
    private readonly bytes: ByteLocks,
    private readonly filename: string,
  ) {}

  /** Takes what `access` needs in addition. Throws kind `busy`, with nothing changed, where another process objects. */
  prepare(access: Access): PreparedAccess {
    const wanted = bitsOf(access);
    const added = wanted & ~this.#locked;
    try {
      this.#change(added, 'read');
      this.#check(access);
    } catch (error) {
      this.#change(added & this.#locked, 'none');
      throw error;
    }
    const before = this.#newest;
    const self = {};
    this.#newest = self;
    return {
      commit: () => {
        // An access that was prepared later stands, and needs what it took.
        if (this.#newest === self) this.#change(this.#locked & ~wanted, 'none');
      },
      abort: () => {
        this.#newest = before;
        this.#change(added, 'none');
      },
    };
  }

  #change(bits: number, kind: LockKind): void {
    for (let bit = 0; bit < 8; bit++) {
      if ((bits & (1 << bit)) === 0) continue;
      const byte = bit < 4 ? HELD + bit : UNSHARED + bit - 4;
      const done = this.bytes.lock(byte, kind);
      if (kind === 'none') this.#locked &= ~(1 << bit);
      else if (done < 0) throw failed(`Failed to lock byte ${byte} of`, this.filename, done);
      else this.#locked |= 1 << bit;
    }
  }

  #check({ permissions, shared }: Access): void {
    for (const [bit, name] of PERMISSION_NAMES.entries()) {
      const mask = 1 << bit;
      if ((permissions & mask) !== 0 && this.bytes.isLocked(UNSHARED + bit) > 0) throw this.#busy(`Failed to get "${name}" lock`);
      if ((shared & mask) === 0 && this.bytes.isLocked(HELD + bit) > 0) throw this.#busy(`Failed to get shared "${name}" lock`);
    }
  }

  #busy(what: string): BlockError {
    return new BlockError('busy', `${what}\nIs another process using the image [${this.filename}]?`, { filename: this.filename });
  }
}

function bitsOf({ permissions, shared }: Access): number {
  return (permissions & ALL) | ((~shared & ALL) << 4);
}
