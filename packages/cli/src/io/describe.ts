/** The text of the command `info`: what the format says about the open image. */
import type { Backend } from '@blk/core-graph';
import { humanSize } from '@blk/image';
import { specificLines } from '../img/info.js';

/** Lines as the original prints them: format, cluster size, place of the VM state, then what the format adds. */
export async function describeImage(image: Backend): Promise<string> {
  const { root } = image;
  const info = (await root.driver.info?.()) ?? {};
  return (
    `format name: ${root.driverName}\n` +
    `cluster size: ${humanSize(info.clusterSize ?? 0)}\n` +
    `vm state offset: ${humanSize(info.vmStateOffset ?? 0)}\n` +
    (info.specific === undefined ? '' : specificLines(info.specific.data))
  );
}
