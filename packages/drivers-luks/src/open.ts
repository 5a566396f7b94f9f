/** From a file to an open container. */
import { BlockError, type DriverNode, type Edge, type OpenContext } from '@blk/core-graph';
import { headerStore, LuksVolume, passphrase, SectorCipher } from '@blk/crypto';
import { LuksNode } from './node.js';

/**
 * Opens the container with the passphrase behind `secret`. Without one, it opens only where nobody will ask for data.
 * Throws kind `permission` where no key slot opens.
 */
export async function openContainer(file: Edge, secret: string | undefined, context: OpenContext): Promise<DriverNode> {
  const volume = await LuksVolume.open(headerStore(file));
  const { payloadOffset, cipher: spec } = volume.header;
  if (payloadOffset > file.size) {
    throw new BlockError('invalid-image', `LUKS payload at ${payloadOffset} lies beyond the end of the file at ${file.size}`, { driver: 'luks' });
  }
  if (context.noIo) return new LuksNode(file, volume, undefined, context);
  if (secret === undefined) throw new BlockError('invalid-argument', "Parameter 'key-secret' is required for cipher", { driver: 'luks' });
  const words = await passphrase(context.secret, secret);
  const key = await volume.unlock(words, context.policy.maxKeyIterations);
  const cipher = new SectorCipher(spec, key);
  return new LuksNode(file, volume, { key, cipher }, context);
}
