/** New containers: the header with one key slot, and the file as long as the disk needs. */
import { MAX_SIZE, BlockError, type CreateContext, type Edge, type SecretLookup } from '@blk/core-graph';
import { CIPHER_SECTOR, createLuks, headerStore, luksPayloadOffset, passphrase } from '@blk/crypto';
import type { LuksCreateOptions } from './driver.js';

type SizedOptions = LuksCreateOptions & { readonly size: number };

/** Bytes that the file of a new container would have. Throws where there is no such secret, or the options do not fit. */
export async function measureContainer(secret: string, options: SizedOptions, lookup: SecretLookup): Promise<number> {
  const bytes = containerBytes(options);
  await passphrase(lookup, secret);
  return bytes;
}

/** Throws before anything is written where the options do not fit. What the disk reads as afterwards is noise. */
export async function createContainer(
  file: Edge,
  secret: string,
  options: SizedOptions,
  context: CreateContext,
): Promise<void> {
  const words = await passphrase(context.secret, secret);
  const end = containerBytes(options);
  if (end > MAX_SIZE) throw new BlockError('too-large', 'The requested file size is too large', { driver: 'luks' });
  // All metadata is in the header, which is written in any case.
  const { preallocation = 'off' } = options;
  await file.node.truncate(end, { preallocation: preallocation === 'metadata' ? 'off' : preallocation, work: context.work });
  const { host } = context;
  await createLuks(headerStore(file), options, words, {
    random: (into) => {
      host.random(into);
    },
    now: () => host.now(),
  });
}

/** Bytes of the file: the header with all its key slots, and the disk. */
function containerBytes(options: SizedOptions): number {
  return luksPayloadOffset(options) + Math.ceil(options.size / CIPHER_SECTOR) * CIPHER_SECTOR;
}
