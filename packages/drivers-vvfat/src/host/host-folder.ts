/**
 * A folder of the host that is held on to: what is done inside it is done in this very folder, whatever becomes of its path.
 *
 * Linux gives names to what is open (`/proc/…/fd`), so that a folder swapped for a symbolic link leads nowhere else. Elsewhere a
 * folder is its path, and is compared with what it was before every use, which leaves a moment in between.
 *
 * Folders are opened on the event loop: the thread pool takes many times as long for it, and there is one for many files.
 */
import { closeSync, constants, existsSync, fstatSync, fsync, lstatSync, opendirSync, openSync, readlinkSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import { changed } from '../errors.js';
import { folderIdentity, type FileIdentity } from './identity.js';
import { loadNative, type NativeCalls } from './native.js';
import { statusOf, type HostStatus } from './status.js';

export class HostFolder {
  private constructor(
    readonly identity: string,
    /** For messages: from the directory on, empty for the directory itself. */
    readonly shownPath: string,
    private readonly base: string,
    private readonly fd: number | undefined,
    private readonly native: NativeCalls | undefined,
  ) {}

  /** The directory that the user named; if that is a symbolic link, it is followed. */
  static async openRoot(path: string): Promise<HostFolder> {
    return HostFolder.#open(OPEN_FILES === undefined ? await realpath(path) : path, '', 0, await loadNative());
  }

  /** Throws an error of the system; `ELOOP` or `ENOTDIR` for a symbolic link. */
  folder(name: string): HostFolder {
    return HostFolder.#open(this.path(name), this.shownPath === '' ? name : `${this.shownPath}/${name}`, constants.O_NOFOLLOW ?? 0, this.native);
  }

  /** A path that means `name` in this folder. */
  path(name: string): string {
    if (this.fd === undefined && folderIdentity(lstatSync(this.base, { bigint: true })) !== this.identity) {
      throw changed(this.shownPath, 'was replaced');
    }
    return `${this.base}/${name}`;
  }

  /** The names in this folder, in any order, each told when it is found; asked for once. Throws an error of the system, or what `tell` throws. */
  list(tell: (name: string) => void): string[] {
    const found = this.fd === undefined ? undefined : this.native?.list(this.fd, tell);
    if (found !== undefined) return found;
    const names: string[] = [];
    const listing = opendirSync(this.path('.'), { bufferSize: 512 });
    try {
      for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
        tell(entry.name);
        names.push(entry.name);
      }
    } finally {
      listing.closeSync();
    }
    return names;
  }

  /** What `name` is in this folder; links are not followed. Throws an error of the system. */
  look(name: string): HostStatus {
    const found = this.fd === undefined ? undefined : this.native?.look(this.fd, name);
    return found ?? statusOf(lstatSync(this.path(name), { bigint: true }));
  }

  /** Fills `buffer[start, start + length)` from `at` in a small file, on the spot. False: it has to be read in another way, which tells what is wrong, if anything is. */
  readFile(name: string, file: FileIdentity, at: number, buffer: Uint8Array, start: number, length: number): boolean {
    return this.fd !== undefined && this.native?.read(this.fd, name, file, at, buffer, start, length) === true;
  }

  /** Puts what was done to the folder's entries on stable storage, where the host can do that. */
  async sync(): Promise<void> {
    if (this.fd !== undefined) await promisify(fsync)(this.fd);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
  }

  static #open(path: string, shown: string, follow: number, native: NativeCalls | undefined): HostFolder {
    if (OPEN_FILES === undefined) {
      const stats = lstatSync(path, { bigint: true });
      if (!stats.isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
      return new HostFolder(folderIdentity(stats), shown, path, undefined, native);
    }
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | follow);
    try {
      return new HostFolder(folderIdentity(fstatSync(fd, { bigint: true })), shown, `${OPEN_FILES}/${fd}`, fd, native);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

/** Where Linux has names for what is open; without the link that leads to this process, which would be looked up each time. */
const OPEN_FILES = process.platform === 'linux' && existsSync('/proc/self/fd') ? `/proc/${readlinkSync('/proc/self')}/fd` : undefined;
