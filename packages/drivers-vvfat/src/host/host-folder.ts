/**
 * A folder of the host that is held on to: what is done inside it is done in this very folder, whatever becomes of its path.
 *
 * Linux gives names to what is open (`/proc/self/fd`), so that a folder swapped for a symbolic link leads nowhere else. Elsewhere a
 * folder is its path, and is compared with what it was before every use, which leaves a moment in between.
 */
import { constants, existsSync, lstatSync } from 'node:fs';
import { lstat, open, realpath, type FileHandle } from 'node:fs/promises';
import { changed } from '../errors.js';
import { folderIdentity } from './identity.js';

export class HostFolder {
  private constructor(
    readonly identity: string,
    /** For messages: from the directory on, empty for the directory itself. */
    readonly shownPath: string,
    private readonly base: string,
    private readonly handle: FileHandle | undefined,
  ) {}

  /** The directory that the user named; if that is a symbolic link, it is followed. */
  static async openRoot(path: string): Promise<HostFolder> {
    return HostFolder.#open(NAMES_OF_OPEN ? path : await realpath(path), '', 0);
  }

  /** Throws an error of the system; `ELOOP` or `ENOTDIR` for a symbolic link. */
  async folder(name: string): Promise<HostFolder> {
    return HostFolder.#open(this.path(name), this.shownPath === '' ? name : `${this.shownPath}/${name}`, constants.O_NOFOLLOW ?? 0);
  }

  /** A path that means `name` in this folder. */
  path(name: string): string {
    if (this.handle === undefined && folderIdentity(lstatSync(this.base, { bigint: true })) !== this.identity) {
      throw changed(this.shownPath, 'was replaced');
    }
    return `${this.base}/${name}`;
  }

  /** Puts what was done to the folder's entries on stable storage, where the host can do that. */
  async sync(): Promise<void> {
    await this.handle?.sync();
  }

  async close(): Promise<void> {
    await this.handle?.close();
  }

  static async #open(path: string, shown: string, follow: number): Promise<HostFolder> {
    if (!NAMES_OF_OPEN) {
      const stats = await lstat(path, { bigint: true });
      if (!stats.isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
      return new HostFolder(folderIdentity(stats), shown, path, undefined);
    }
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | follow);
    try {
      return new HostFolder(folderIdentity(await handle.stat({ bigint: true })), shown, `/proc/self/fd/${handle.fd}`, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
}

const NAMES_OF_OPEN = process.platform === 'linux' && existsSync('/proc/self/fd');
