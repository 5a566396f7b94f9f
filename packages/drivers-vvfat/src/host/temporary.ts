/** Names under which new content waits for its place, and files without a name for one. */

const PREFIX = '.blk-vvfat-';
const SUFFIX = '.tmp';

/** A name that nothing has yet. */
export function newTemporaryName({ random }: { readonly random: (into: Uint8Array<ArrayBuffer>) => void }): string {
  const bytes = new Uint8Array(8);
  random(bytes);
  return `${PREFIX}${Buffer.from(bytes).toString('hex')}${SUFFIX}`;
}

export function isTemporaryName(name: string): boolean {
  return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
}
