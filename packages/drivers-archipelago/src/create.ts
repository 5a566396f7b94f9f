/** Making a volume, and removing one in which no image could be made. */
import { platformHost, type CreateContext } from '@blk/core-graph';
import type { Call } from './calls.js';
import type { ArchipelagoDriverOptions } from './driver.js';
import { placeOf, type PlaceOptions } from './place.js';
import { checkSize, encodeClone, Op } from './protocol.js';
import { reach, type ReachOptions } from './volume.js';

/** A new volume of `size` bytes that reads as zeroes. The mapper refuses a name that is taken. */
export async function createArchipelago(where: PlaceOptions, size: number, context: CreateContext, own: ArchipelagoDriverOptions): Promise<void> {
  const from = encodeClone(checkSize(size));
  await ask(where, own, context, { op: Op.clone, offset: 0, length: from.length, start: 0, from });
}

export async function removeArchipelago(where: PlaceOptions, own: ArchipelagoDriverOptions): Promise<void> {
  await ask(where, own, { host: platformHost, signal: undefined }, { op: Op.remove, offset: 0, length: 0, start: 0 });
}

async function ask(where: PlaceOptions, own: ArchipelagoDriverOptions, options: ReachOptions, call: Call): Promise<void> {
  const calls = await reach(placeOf(where), own, options, async (reached) => {
    await reached.run(call);
    return reached;
  });
  await calls.close();
}
