/** Opening and making encryption: everything that needs ciphers, loaded only for images that are encrypted. */
import type { CreateContext, Edge, OpenContext } from '@blk/core-graph';
import {
  amendLuks, CIPHER_SECTOR, createLuks, headerStore, legacyAes, luksInfo, LuksVolume, passphrase, readSectors, SectorCipher, writeSectors,
  type CipherOptions, type KeyTools,
} from '@blk/crypto';
import { lockedEncryption, noSecret, type EncryptionHeader, type Encryption, type EncryptionMethod } from './encryption.js';
import { qcow2Error } from './errors.js';

export type EncryptionContext = Pick<OpenContext, 'noIo' | 'policy' | 'secret' | 'host'>;

/**
 * Opens the encryption of an image with the passphrase behind `secret`. Where only metadata will be asked for, no passphrase is needed.
 * Throws kind `permission` for a wrong one; with the method `aes`, nothing can tell whether it is.
 */
export async function openEncryption(
  method: EncryptionMethod,
  header: EncryptionHeader | undefined,
  file: Edge,
  secret: string | undefined,
  context: EncryptionContext,
): Promise<Encryption> {
  const volume = header === undefined ? undefined : await openVolume(file, header);
  const info = (): Record<string, unknown> => (volume === undefined ? { format: 'aes' } : luksInfo(volume.header, 'luks'));
  if (context.noIo) return lockedEncryption(info());
  if (secret === undefined) throw noSecret();
  const words = await passphrase(context.secret, secret);
  if (volume === undefined) return unlocked(legacyAes(words), method, info);
  const key = await volume.unlock(words, context.policy.maxKeyIterations);
  return unlocked(new SectorCipher(volume.header.cipher, key), method, info, (options, force) =>
    amendLuks(volume, key, options, { ...toolsOf(context), force, secret: context.secret }),
  );
}

/** Makes a LUKS header in a part of the file that reads as zeroes, and the encryption that it stands for. */
export async function makeLuks(
  file: Edge,
  place: EncryptionHeader,
  options: CipherOptions,
  secret: string | undefined,
  context: CreateContext,
): Promise<Encryption> {
  if (secret === undefined) throw noSecret();
  const words = await passphrase(context.secret, secret);
  const { volume, key } = await createLuks(headerStore(file, place.offset, place.length), options, words, toolsOf(context));
  return unlocked(new SectorCipher(volume.header.cipher, key), 'luks', () => luksInfo(volume.header, 'luks'));
}

/** The encryption of a new image of method `aes`, which has no header. */
export async function makeAes(secret: string | undefined, context: CreateContext): Promise<Encryption> {
  if (secret === undefined) throw noSecret();
  return unlocked(legacyAes(await passphrase(context.secret, secret)), 'aes', () => ({ format: 'aes' }));
}

async function openVolume(file: Edge, { offset, length }: EncryptionHeader): Promise<LuksVolume> {
  const volume = await LuksVolume.open(headerStore(file, offset, length));
  // Key slots are written to: they must lie where the image says that its header lies.
  if (volume.header.payloadOffset > length) {
    throw qcow2Error({ what: 'extension', text: 'Request for data outside of extension header' });
  }
  return volume;
}

function unlocked(cipher: SectorCipher, method: EncryptionMethod, info: Encryption['info'], amend?: Encryption['amend']): Encryption {
  // LUKS numbers sectors by their place in the file, the older method by their place on the disk.
  const byHost = method === 'luks';
  return {
    info,
    read: (data, host, guest, buffer, start, length) =>
      readSectors(data, host, cipher, (byHost ? host : guest) / CIPHER_SECTOR, buffer, start, length),
    write: (data, host, guest, buffer, start, length, pool) =>
      writeSectors(data, host, cipher, (byHost ? host : guest) / CIPHER_SECTOR, buffer, start, length, pool),
    ...(amend === undefined ? {} : { amend }),
  };
}

function toolsOf({ host }: Pick<OpenContext, 'host'>): KeyTools {
  return {
    random: (into) => {
      host.random(into);
    },
    now: () => host.now(),
  };
}
