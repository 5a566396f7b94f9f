/** File names that mean this driver: `fat:[floppy:][12|16|32:][rw:]DIR`, put together, and taken apart as the reference does. */
import { BlockError } from '@blk/core-graph';

const PREFIX = 'fat:';

export function parseFatName(filename: string): Record<string, unknown> {
  if (!filename.startsWith(PREFIX)) {
    throw new BlockError('invalid-argument', `File name string must start with '${PREFIX}'`, { driver: 'vvfat', filename });
  }
  // What stands behind the last colon is the directory, and a letter in front of that colon a drive.
  const colon = filename.lastIndexOf(':');
  const drive = colon - 2 >= PREFIX.length - 1 && filename[colon - 2] === ':' && /[A-Za-z]/.test(filename[colon - 1] ?? '');
  const begin = drive ? colon - 1 : colon + 1;
  const words = filename.slice(PREFIX.length - 1, begin);
  const fatType = [32, 16, 12].find((type) => words.includes(`:${type}:`)) ?? 0;
  return { 'fat-type': fatType, dir: filename.slice(begin), floppy: words.includes(':floppy:'), rw: words.includes(':rw:') };
}

/** The name of a disk, for messages. A label has no place in it. */
export function fatName(dir: string, options: { readonly fatType?: number | undefined; readonly floppy?: boolean | undefined; readonly rw: boolean }): string {
  const { fatType = 0, floppy = false, rw } = options;
  return `${PREFIX}${floppy ? 'floppy:' : ''}${fatType === 0 ? '' : `${fatType}:`}${rw ? 'rw:' : ''}${dir}`;
}
