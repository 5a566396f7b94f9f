/**
 * A folder of the host that is held on to: what is done inside it is done in this very folder, whatever becomes of its path.
 *
 * Linux gives names to what is open (`/proc/self/fd`), so that a folder swapped for a symbolic link leads nowhere else. Elsewhere a
 * folder is its path, and is compared with what it was before every use, which leaves a moment in between.
 *
 * Folders are opened on the event loop: the thread pool takes many times as long for it, and there is one for many files.
 */
import { closeSync, constants, existsSync, fstatSync, fsync, lstatSync, openSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import { changed } from '../errors.js';
import { folderIdentity } from './identity.js';

export class HostFolder {
  private constructor(
    readonly identity: string,
    /** For messages: from the directory on, empty for the directory itself. */
    readonly shownPath: string,
    private readonly base: string,
    private readonly fd: number | undefined,
  ) {}

  /** The directory that the user named; if that is a symbolic link, it is followed. */
  static async openRoot(path: string): Promise<HostFolder> {
    return HostFolder.#open(NAMES_OF_OPEN ? path : await realpath(path), '', 0);
  }

  /** Throws an error of the system; `ELOOP` or `ENOTDIR` for a symbolic link. */
  folder(name: string): HostFolder {
    return HostFolder.#open(this.path(name), this.shownPath === '' ? name : `${this.shownPath}/${name}`, constants.O_NOFOLLOW ?? 0);
  }

  /** A path that means `name` in this folder. */
  path(name: string): string {
    if (this.fd === undefined && folderIdentity(lstatSync(this.base, { bigint: true })) !== this.identity) {
      throw changed(this.shownPath, 'was replaced');
    }
    return `${this.base}/${name}`;
  }

  /** Puts what was done to the folder's entries on stable storage, where the host can do that. */
  async sync(): Promise<void> {
    if (this.fd !== undefined) await promisify(fsync)(this.fd);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
  }

  static #open(path: string, shown: string, follow: number): HostFolder {
    if (!NAMES_OF_OPEN) {
      const stats = lstatSync(path, { bigint: true });
      if (!stats.isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
      return new HostFolder(folderIdentity(stats), shown, path, undefined);
    }
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | follow);
    try {
      return new HostFolder(folderIdentity(fstatSync(fd, { bigint: true })), shown, `/proc/self/fd/${fd}`, fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

const NAMES_OF_OPEN = process.platform === 'linux' && existsSync('/proc/self/fd');
