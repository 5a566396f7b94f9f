/** New images: the header and an empty first table. */
import { settled } from '@blk/cluster-map';
import type { CreateContext, Edge } from '@blk/core-graph';
import { cipherFor } from './encryption.js';
import { wishError } from './errors.js';
import { MAX_NAME, newHeader, SECTOR } from './header.js';

export interface QcowCreateOptions {
  readonly backing_file?: string;
  readonly backing_fmt?: string;
  readonly encryption?: boolean;
  readonly 'encrypt.format'?: string;
  readonly 'encrypt.key-secret'?: string;
}

/** Throws where the image can't be; whether it is to be encrypted. */
export function checkWish(options: QcowCreateOptions & { readonly size: number }): boolean {
  if (options.size === 0) throw wishError('Image size is too small, cannot be zero length');
  const { encryption, 'encrypt.format': format, 'encrypt.key-secret': secret } = options;
  if (encryption === true && format !== undefined) throw wishError("'encrypt.format' and its alias 'encryption' can't be used at the same time");
  const method = format ?? (encryption === true ? 'aes' : undefined);
  if (method === undefined) {
    if (secret !== undefined) throw wishError("Parameter 'encrypt.format' is missing");
    return false;
  }
  if (method === 'luks') throw wishError('Unsupported encryption format', 'unsupported');
  if (method !== 'aes') throw wishError(`Parameter 'format' does not accept value '${method}'`);
  return true;
}

export async function createQcow(file: Edge, options: QcowCreateOptions & { readonly size: number }, context: CreateContext): Promise<void> {
  const encrypted = checkWish(options);
  const name = new TextEncoder().encode(options.backing_file ?? '');
  if (name.length > MAX_NAME) throw wishError('Backing file name too long');
  if (encrypted) await cipherFor(options['encrypt.key-secret'], context.secret);
  const { bytes, end } = newHeader({ size: Math.ceil(options.size / SECTOR) * SECTOR, name, encrypted });
  await settled(file.write(0, bytes, 0, bytes.length));
  if (file.size < end) await file.node.truncate(end);
  else await settled(file.writeZeroes(bytes.length, end - bytes.length));
}
