/** Images of a format on disks in memory, for the suite and for tests of one's own. */
import { BlockGraph, type BlockDriver, type Definition, type SecretLookup } from '@blk/core-graph';
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
  readonly secrets?: SecretLookup;
  /** A new image reads as noise: it is filled with zeroes first. */
  readonly noise?: boolean;
}

/** A provider of images that `format.create` makes in memory; slow and out of order where asked. */
export function inMemory(format: BlockDriver, options: InMemoryOptions = {}): Provider {
  return async ({ size, seed, asynchronous }) => {
    const disks = new MemoryDisks();
    const drivers = [disks.driver, format, ...(options.drivers ?? [])];
    const disk = disks.put('image');
    const given = options.secrets === undefined ? {} : { secrets: options.secrets };
    const graph = new BlockGraph({ drivers, ...given });
    await graph.create('memory:image', { format: format.name, size, options: options.create ?? {} });
    const definition = { ...options.open, driver: format.name, file: { ...disk.definition, discard: 'unmap' } };
    if (options.noise === true) {
      const node = await graph.open(definition);
      await node.write(0, new Uint8Array(node.size), 0, node.size);
      await graph.release(node);
    }
    if (asynchronous) disk.use(slow(seed));
    return { drivers, definition, ...given };
  };
}
