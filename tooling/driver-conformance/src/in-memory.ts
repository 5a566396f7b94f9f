/** Images of a format on disks in memory, for the suite and for tests of one's own. */
import { BlockGraph, type BlockDriver, type Definition } from '@blk/core-graph';
import { MemoryDisks } from './memory-driver.js';
import type { Provider } from './rig.js';
import { slow } from './slow.js';

export interface InMemoryOptions {
  /** Options of `create`. */
  readonly create?: Readonly<Record<string, unknown>>;
  /** Options of opening, besides `driver` and `file`. */
  readonly open?: Definition;
  /** Other drivers that are needed. */
  readonly drivers?: readonly BlockDriver[];
}

/** A provider of images that `format.create` makes in memory; slow and out of order where asked. */
export function inMemory(format: BlockDriver, options: InMemoryOptions = {}): Provider {
  return async ({ size, seed, asynchronous }) => {
    const disks = new MemoryDisks();
    const drivers = [disks.driver, format, ...(options.drivers ?? [])];
    const disk = disks.put('image');
    await new BlockGraph({ drivers }).create('memory:image', { format: format.name, size, options: options.create ?? {} });
    if (asynchronous) disk.use(slow(seed));
    return { drivers, definition: { ...options.open, driver: format.name, file: { ...disk.definition, discard: 'unmap' } } };
  };
}
