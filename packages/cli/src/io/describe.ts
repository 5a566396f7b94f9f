/** The text of the command `info`: what the format says about the open image. */
import type { Backend } from '@blk/core-graph';
import { humanSize } from '@blk/image';

/** Lines as the original prints them: format, cluster size, place of the VM state, then what the format adds. */
export async function describeImage(image: Backend): Promise<string> {
  const { root } = image;
  const info = (await root.driver.info?.()) ?? {};
  let text =
    `format name: ${root.driverName}\n` +
    `cluster size: ${humanSize(info.clusterSize ?? 0)}\n` +
    `vm state offset: ${humanSize(info.vmStateOffset ?? 0)}\n`;
  if (info.specific !== undefined) {
    text += 'Format specific information:\n';
    for (const [key, value] of Object.entries(info.specific.data)) text += `    ${key.replaceAll('-', ' ')}: ${String(value)}\n`;
  }
  return text;
}
