/** Names of files under which new content waits for its place. */

const PREFIX = '.blk-vvfat-';
const SUFFIX = '.tmp';

/** A new one, from 8 random bytes. */
export function temporaryName(random: Uint8Array): string {
  return `${PREFIX}${Buffer.from(random).toString('hex')}${SUFFIX}`;
}

export function isTemporaryName(name: string): boolean {
  return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
}
