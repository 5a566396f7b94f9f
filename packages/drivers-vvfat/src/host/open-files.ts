/** Reads what the directory's files hold: few of them open at a time, and each one only as long as it is what it was. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { BlockError, Completion } from '@blk/core-graph';
import { changed, hostError } from '../errors.js';
import { pathOf, type FileNode, type FolderNode } from '../tree.js';
import type { HostFolder } from './host-folder.js';
import { fileIdentity, isUnchanged } from './identity.js';

/** Files that are open at a time, and requests that are under way. */
const MOST_OPEN = 32;
/** Longest file, in bytes, that is read on the event loop. */
const SMALL = 512 * 1024;
/** Milliseconds after which a small file was not in memory; or garbage was collected meanwhile, which does not happen twice in a row. */
const SLOW_MS = 5;
/** Small files that are read in the background then. */
const IN_BACKGROUND = 64;

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  users: number;
}

export class OpenFiles {
  /** The one used last is last. */
  readonly #files = new Map<FileNode, OpenFile>();
  #busy = 0;
  readonly #waiting: (() => void)[] = [];
  /** Small files that are read in the background before one is read on the spot again. */
  #inBackground = 0;
  /** The last one that was read on the spot took long. */
  #slow = false;

  /** For what is read on the spot, and apart from it for what is opened in the background, so that neither closes what the other uses. */
  readonly #now: LastFolder;
  readonly #later: LastFolder;

  /** `clock`: milliseconds. */
  constructor(
    root: HostFolder,
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.#now = new LastFolder(root);
    this.#later = new LastFolder(root);
  }

  /** Fills `buffer[start, start + length)` from `at` in the file. Throws where the file is not what it was when it was looked at. */
  read(file: FileNode, at: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (file.size > SMALL) return this.#readLater(file, at, buffer, start, length);
    if (this.#inBackground > 0) {
      this.#inBackground--;
      return this.#readLater(file, at, buffer, start, length);
    }
    this.#readNow(file, at, buffer, start, length);
    return undefined;
  }

  /** A small file, or a part of it, on the event loop: the detours of the thread pool take many times as long where the host has it in memory. */
  #readNow(file: FileNode, at: number, buffer: Uint8Array, start: number, length: number): void {
    const begin = this.clock();
    const folder = this.#folderNow(file);
    if (!folder.readFile(file.name, file.identity, at, buffer, start, length)) readByNode(folder, file, at, buffer, start, length);
    const slow = this.clock() - begin > SLOW_MS;
    // The host has to fetch them: the next ones are read while others get on.
    if (slow && this.#slow) this.#inBackground = IN_BACKGROUND;
    this.#slow = slow;
  }

  #folderNow(file: FileNode): HostFolder {
    try {
      return this.#now.of(file.parent);
    } catch (error) {
      throw cannotOpen(file, error);
    }
  }

  async #readLater(file: FileNode, at: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    if (this.#busy >= MOST_OPEN) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy++;
    try {
      const entry = this.#acquire(file);
      try {
        await readWhole(await entry.handle, file, at, buffer, start, length);
      } finally {
        entry.users--;
      }
      await this.#trim();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy--;
      else next();
    }
  }

  /** Lets go of everything, also of what was found to be another file meanwhile. Nobody reads. */
  async close(): Promise<void> {
    for (const [file, entry] of this.#files) await this.#drop(file, entry);
    this.#now.leave();
    this.#later.leave();
  }

  #acquire(file: FileNode): OpenFile {
    let entry = this.#files.get(file);
    if (entry === undefined) {
      const handle = this.#open(file);
      // Whoever reads hears of it.
      handle.catch(() => this.#files.delete(file));
      entry = { handle, users: 0 };
    } else this.#files.delete(file);
    this.#files.set(file, entry);
    entry.users++;
    return entry;
  }

  async #open(file: FileNode): Promise<FileHandle> {
    try {
      return await this.#inFolder(file.parent, (folder) => open(folder.path(file.name), READ));
    } catch (error) {
      throw cannotOpen(file, error);
    }
  }

  /** Opens are done one after the other, so that the folder stays for them. */
  #inFolder<T>(node: FolderNode, work: (folder: HostFolder) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => work(this.#later.of(node)));
    this.#turn = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  #turn: Promise<void> = Promise.resolve();

  async #trim(): Promise<void> {
    for (const [file, entry] of this.#files) {
      if (this.#files.size <= MOST_OPEN) return;
      if (entry.users === 0) await this.#drop(file, entry);
    }
  }

  async #drop(file: FileNode, { handle }: OpenFile): Promise<void> {
    this.#files.delete(file);
    await (await handle).close();
  }
}

/** The folder opened last, for the files beside. */
class LastFolder {
  #last: { readonly node: FolderNode; readonly host: HostFolder } | undefined;

  constructor(private readonly root: HostFolder) {}

  of(node: FolderNode): HostFolder {
    if (node.parent === undefined) return this.root;
    if (this.#last?.node !== node) {
      this.leave();
      this.#last = { node, host: enter(this.root, node) };
    }
    return this.#last.host;
  }

  leave(): void {
    const last = this.#last;
    this.#last = undefined;
    last?.host.close();
  }
}

/** The host's folder of a node. The caller closes it, unless it is `root` itself. */
export function enter(root: HostFolder, node: FolderNode): HostFolder {
  const names: FolderNode[] = [];
  for (let at = node; at.parent !== undefined; at = at.parent) names.unshift(at);
  let here = root;
  for (const step of names) {
    const above = here;
    try {
      here = above.folder(step.name);
    } finally {
      if (above !== root) above.close();
    }
    if (here.identity === step.identity) continue;
    here.close();
    throw changed(pathOf(step), 'was replaced');
  }
  return here;
}

/** A pipe put in a file's place would keep the opener waiting. */
const READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** As `HostFolder.readFile`; throws where anything is wrong. */
function readByNode(folder: HostFolder, file: FileNode, at: number, buffer: Uint8Array, start: number, length: number): void {
  let fd: number;
  try {
    fd = openSync(folder.path(file.name), READ);
  } catch (error) {
    throw cannotOpen(file, error);
  }
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(fd, buffer, start + done, length - done, at + done);
      if (count === 0) throw changed(pathOf(file), 'became shorter');
      done += count;
    }
    checkUnchanged(fd, file);
  } catch (error) {
    throw cannotRead(file, error);
  } finally {
    closeSync(fd);
  }
}

async function readWhole(handle: FileHandle, file: FileNode, at: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, start + done, length - done, at + done).catch((error: unknown) => {
      throw cannotRead(file, error);
    });
    if (bytesRead === 0) throw changed(pathOf(file), 'became shorter');
    done += bytesRead;
  }
  checkUnchanged(handle.fd, file);
}

/** Behind the reading: what was written meanwhile shows in the times. The call does not wait for the disk. */
function checkUnchanged(fd: number, file: FileNode): void {
  if (!isUnchanged(file, fileIdentity(fstatSync(fd, { bigint: true })))) throw changed(pathOf(file), 'changed');
}

function cannotOpen(file: FileNode, error: unknown): BlockError {
  const path = pathOf(file);
  const { code } = error as { code?: unknown };
  if (code === 'ENOENT' || code === 'ENOTDIR') return changed(path, 'vanished');
  if (code === 'ELOOP') return changed(path, 'was replaced by a symbolic link');
  return isNoFile(code) ? changed(path, NO_FILE) : hostError('Could not open', path, error);
}

function cannotRead(file: FileNode, error: unknown): BlockError {
  const path = pathOf(file);
  return isNoFile((error as { code?: unknown }).code) ? changed(path, NO_FILE) : hostError('Could not read', path, error);
}

const NO_FILE = 'was replaced by something that is no file';

/** What systems say to the opening of a socket, and to reading a pipe or a directory at a place. */
function isNoFile(code: unknown): boolean {
  return code === 'ENXIO' || code === 'ENODEV' || code === 'EOPNOTSUPP' || code === 'ENOTSUP' || code === 'ESPIPE' || code === 'EISDIR';
}
