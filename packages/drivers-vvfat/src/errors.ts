/** Every way in which a directory is refused, or what a guest made of it; in QEMU's words where it has some. */
import { getSystemErrorName } from 'node:util';
import { BlockError, systemError } from '@blk/core-graph';

const driver = 'vvfat';

export type DirectoryDefect =
  | { readonly what: 'fat-type' }
  | { readonly what: 'label'; readonly label: string }
  | { readonly what: 'label-length' }
  | { readonly what: 'floppy-fat32' }
  | { readonly what: 'read-only' }
  | { readonly what: 'rw-large'; readonly clusters: number; readonly most: number }
  | { readonly what: 'no-fit'; readonly fatType: number; readonly capacity: string; readonly larger: boolean }
  | { readonly what: 'too-many'; readonly limit: number; readonly whose: 'directory' | 'guest' }
  | { readonly what: 'folder-full'; readonly path: string }
  | { readonly what: 'too-deep'; readonly path: string }
  | { readonly what: 'name'; readonly path: string; readonly why: string }
  | { readonly what: 'same-name'; readonly path: string; readonly other: string }
  | { readonly what: 'file-size'; readonly path: string };

const KINDS: Partial<Record<DirectoryDefect['what'], 'read-only' | 'too-large' | 'unsupported'>> = {
  'read-only': 'read-only',
  'rw-large': 'too-large',
  'no-fit': 'too-large',
  'too-many': 'too-large',
  'folder-full': 'too-large',
  'too-deep': 'too-large',
  'file-size': 'too-large',
  name: 'unsupported',
  'same-name': 'unsupported',
};

/** The directory, or what was asked for, cannot be shown as a disk. */
export function vvfatError(defect: DirectoryDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-argument', describe(defect), { driver, reason: `vvfat/${defect.what}` });
}

/** The directory itself cannot be read. */
export function cannotReadDirectory(dir: string, error: unknown): BlockError {
  const cause = systemError(`Could not read directory ${dir}`, named(error));
  return new BlockError(cause.kind, `Could not read directory ${dir}`, { driver, filename: dir, code: cause.errno }, error);
}

/** A system call about something inside the directory failed. */
export function hostError(what: string, path: string, error: unknown): BlockError {
  return systemError(`${what} '${path}'`, named(error), { driver, filename: path });
}

/** What was looked at when the disk was opened is not there any more, or not the same. */
export function changed(path: string, how: string): BlockError {
  return new BlockError('io', `The file '${path}' ${how} since the directory was opened as a disk`, { driver, reason: 'vvfat/changed', filename: path });
}

/** Something in the directory stands in the way of what the guest did; nothing was changed. */
export function conflict(path: string, how: string): BlockError {
  return new BlockError('io', `Nothing was written to the directory: '${path}' ${how}`, { driver, reason: 'vvfat/conflict', filename: path });
}

/** Whether an error says that something, or a folder above it, is not there any more. */
export function isGone(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || (error instanceof BlockError && error.context.reason === 'vvfat/changed');
}

function describe(defect: DirectoryDefect): string {
  switch (defect.what) {
    case 'fat-type':
      return 'Valid FAT types are only 12, 16 and 32';
    case 'label':
      return `The label '${defect.label}' holds characters that no volume label can hold`;
    case 'label-length':
      return 'vvfat label cannot be longer than 11 bytes';
    case 'floppy-fat32':
      return 'A floppy disk is too small for FAT32';
    case 'read-only':
      return `Unable to set VVFAT to 'rw' when drive is read-only`;
    case 'rw-large':
      return `The disk has ${defect.clusters} clusters; with rw it can have ${defect.most}`;
    case 'no-fit':
      return `Directory does not fit in FAT${defect.fatType} (capacity ${defect.capacity} MB)${defect.larger ? '; fat-type=32 makes a disk that is large enough' : ''}`;
    case 'too-many':
      return defect.whose === 'directory'
        ? `Directory holds more files than fit into the ${defect.limit} bytes of memory that a disk of this kind may take`
        : `The guest has more files than fit into the ${defect.limit} bytes of memory that a commit may take. Nothing of it was written to the directory; the next flush tries again`;
    case 'folder-full':
      return `The directory ${defect.path === '' ? 'itself' : `'${defect.path}'`} has more entries than a directory of FAT can hold`;
    case 'too-deep':
      return `The directory '${defect.path}' lies too deep`;
    case 'name':
      return `FAT cannot hold the name of '${defect.path}': ${defect.why}`;
    case 'same-name':
      return `FAT cannot hold both '${defect.path}' and '${defect.other}': they differ in case only`;
    case 'file-size':
      return `The file '${defect.path}' is larger than the 4294967295 bytes that FAT can hold`;
  }
}

/** Node's errors carry the code's name, some only its number. */
function named(error: unknown): unknown {
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  return typeof code === 'string' || typeof errno !== 'number' ? error : { code: getSystemErrorName(errno) };
}
