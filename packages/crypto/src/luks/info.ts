/** What `info` shows of a LUKS header: the members of the schema's `QCryptoBlockInfoLUKS`, in the order of the reference tools. */
import { STRIPES, type LuksHeader } from './header.js';

/** `format`: qcow2 shows there which encryption it is. */
export function luksInfo({ cipher, hash, uuid, slots, payloadOffset, digestIterations }: LuksHeader, format?: 'luks'): Record<string, unknown> {
  return {
    'ivgen-alg': cipher.iv.name,
    'hash-alg': hash,
    'cipher-alg': cipher.algorithm,
    uuid,
    ...(cipher.iv.name === 'essiv' ? { 'ivgen-hash-alg': cipher.iv.hash } : {}),
    ...(format === undefined ? {} : { format }),
    'cipher-mode': cipher.mode,
    slots: slots.map(({ active, iterations, offset }) => ({
      active,
      ...(active ? { iters: iterations } : {}),
      'key-offset': offset,
      ...(active ? { stripes: STRIPES } : {}),
    })),
    'payload-offset': payloadOffset,
    'master-key-iters': digestIterations,
  };
}
