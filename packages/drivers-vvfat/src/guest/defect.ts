/** What is wrong with the file system that the guest left. */
import { BlockError } from '@blk/core-graph';

/** `where` is a path, or a part of the disk. */
export function guestDefect(where: string, why: string): BlockError {
  const message = `The guest's file system is not consistent: ${where}: ${why}. Nothing of it was written to the directory; the next flush tries again`;
  return new BlockError('corrupt', message, { driver: 'vvfat', reason: 'vvfat/guest' });
}
