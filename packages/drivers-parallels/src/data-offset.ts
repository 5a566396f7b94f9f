/** Where the data begins, judged by the catalog: a header that is wrong there must not cost the clusters. */
import type { Edge } from '@blk/core-graph';
import type { ParallelsHeader } from './header.js';
import { eachPlace } from './places.js';

/** The header's own offset, or that of the first cluster where fewer entries are wrong with it. */
export async function dataOffsetOf(file: Edge, header: ParallelsHeader): Promise<number> {
  const { clusterSize, dataOffset, leastDataOffset } = header;
  let first = Infinity;
  let wrong = 0;
  await eachPlace(file, header, (place) => {
    if (place < leastDataOffset || place >= file.size) return;
    first = Math.min(first, place);
    if (place < dataOffset || (place - dataOffset) % clusterSize !== 0) wrong++;
  });
  if (wrong === 0) return dataOffset;
  let others = 0;
  await eachPlace(file, header, (place) => {
    if (place >= first && place < file.size && (place - first) % clusterSize !== 0) others++;
  });
  return others < wrong ? first : dataOffset;
}
