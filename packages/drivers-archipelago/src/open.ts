/** Opening a volume. */
import type { DriverNode, OpenContext } from '@blk/core-graph';
import type { ArchipelagoDriverOptions } from './driver.js';
import { ArchipelagoNode } from './node.js';
import { nameOf, placeOf, type PlaceOptions } from './place.js';
import { askSize, reach } from './volume.js';

export function openArchipelago(options: PlaceOptions, context: OpenContext, own: ArchipelagoDriverOptions): Promise<DriverNode> {
  const place = placeOf(options);
  const { readOnly } = context;
  return reach(place, own, context, async (calls) => {
    const size = await askSize(calls);
    return new ArchipelagoNode(calls, size, { readOnly, filename: nameOf(place), warn: (message) => { context.warn(`warning: ${message}`); } });
  });
}
