/** The driver value `vvfat`: its options, and the file names that mean it. */
import { BlockError, defineDriver, type BlockDriver } from '@blk/core-graph';
import { vvfatError } from './errors.js';
import { parseFatName } from './filename.js';
import { DEFAULT_METADATA_BYTES } from './open.js';

interface VvfatOptions {
  readonly dir?: string;
  readonly 'fat-type'?: number;
  readonly floppy?: boolean;
  readonly label?: string;
  readonly rw?: boolean;
}

export interface VvfatDriverOptions {
  /** Most memory that a disk takes for what it knows about its directory, in bytes. Default 60 MiB, some 70,000 files. */
  readonly maxMetadataBytes?: number;
}

export function vvfatDriver({ maxMetadataBytes = DEFAULT_METADATA_BYTES }: VvfatDriverOptions = {}): BlockDriver {
  return defineDriver<VvfatOptions>({
    name: 'vvfat',
    role: 'protocol',
    options: { dir: { type: 'string' }, 'fat-type': { type: 'uint' }, floppy: { type: 'bool' }, label: { type: 'string' }, rw: { type: 'bool' } },
    schemes: ['fat'],
    parseFilename: parseFatName,

    async open({ dir, 'fat-type': fatType, floppy, label, rw = false }, context) {
      if (dir === undefined) throw new BlockError('invalid-argument', `vvfat block driver requires a 'dir' option`, { driver: 'vvfat' });
      if (rw && context.readOnly) throw vvfatError({ what: 'read-only' });
      const { openNode } = await import('./open-node.js');
      return openNode(dir, { fatType, floppy, label, maxMetadataBytes, rw }, context);
    },
  });
}

/** The driver with its usual cap on memory. */
export const vvfat = vvfatDriver();
