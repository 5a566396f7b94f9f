/** Where there are no files, there are no files of rules either. */
import { BlockError } from '@blk/core-graph';

export function readText(path: string): Promise<string> {
  return Promise.reject(new BlockError('unsupported', `There are no files here to read rules from: '${path}'`, { driver: 'blkdebug' }));
}
