// A small file system of its own, so that "disk full" is the kernel's word and not a test's.
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { findTool } from '@blk/oracle';

export interface SmallDisk extends Disposable {
  readonly path: string;
}

/** Whether this process may mount. */
export function canMount(): boolean {
  return process.getuid?.() === 0;
}

/** Mounts an ext4 file system of `bytes`, kept in `backing`, at `path`. */
export function smallDisk(backing: string, path: string, bytes: number): SmallDisk {
  const fd = openSync(backing, 'w');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  execFileSync(findTool('mkfs.ext4') ?? 'mkfs.ext4', ['-q', '-F', '-m', '0', '-O', '^has_journal', backing], { stdio: 'pipe' });
  mkdirSync(path);
  execFileSync('mount', ['-o', 'loop', backing, path], { stdio: 'pipe' });
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', ['-l', path], { stdio: 'pipe' });
    },
  };
}
