/** Names of files under which new content waits for its place. */

const PREFIX = '.blk-vvfat-';
const SUFFIX = '.tmp';

export function isTemporaryName(name: string): boolean {
  return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
}
