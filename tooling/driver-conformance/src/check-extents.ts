/** Whether what a node says about its extents is so. */
import { chainExtents } from '@blk/core-graph';
import { prng } from '@blk/oracle';
import type { Rig } from './rig.js';
import { expectSameBytes } from './same-bytes.js';

/** Extents cover the image without gaps, zero ones read as zeroes, and host offsets lead to the bytes. */
export async function checkExtents({ node, model }: Rig): Promise<void> {
  let at = 0;
  for await (const extent of chainExtents(node, 0, model.size)) {
    if (extent.offset !== at) throw new Error(`extent at ${extent.offset} where ${at} was expected`);
    if (extent.length <= 0) throw new Error(`extent at ${at} is ${extent.length} long`);
    if (extent.zero) expectZero(model.bytes, at, extent.length);
    at += extent.length;
  }
  if (at !== model.size) throw new Error(`extents end at ${at} instead of ${model.size}`);

  const random = prng(model.size);
  for (let trial = 0; trial < 20 && model.size > 0; trial++) {
    const offset = random.below(model.size);
    const length = random.below(model.size - offset) + 1;
    const extent = await node.extent(offset, length);
    const child = node.driver.dataChild?.(offset) ?? node.children.get('data-file') ?? node.children.get('file');
    if (extent.length <= 0 || extent.length > length) throw new Error(`extent of ${extent.length} for ${length} at ${offset}`);
    if (extent.zero) expectZero(model.bytes, offset, extent.length);
    if (extent.data && !extent.compressed && extent.hostOffset >= 0 && (child?.role === 'storage' || child?.role === 'data')) {
      const bytes = new Uint8Array(Math.min(extent.length, 65536));
      await child.read(extent.hostOffset, bytes, 0, bytes.length);
      expectSameBytes(bytes, model.bytes.subarray(offset, offset + bytes.length), `host range of ${offset} at ${extent.hostOffset}`);
    }
  }
}

function expectZero(bytes: Uint8Array, offset: number, length: number): void {
  const range = bytes.subarray(offset, offset + length);
  const at = range.findIndex((byte) => byte !== 0);
  if (at >= 0) throw new Error(`extent at ${offset} +${length} is called zero, but byte ${offset + at} is ${range[at]}`);
}
