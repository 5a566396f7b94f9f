/**
 * Encryption of an image's data: how an image says that it is encrypted, and what reading and writing then go through. Metadata is never
 * encrypted (the specification's section "Data encryption").
 */
import { BlockError, type BufferPool, type Completion, type Edge } from '@blk/core-graph';
import type { LuksAmendOptions } from '@blk/crypto';
import { argumentError, qcow2Error } from './errors.js';
import { dataOf, ExtensionType, type Extension } from './extensions.js';
import { u64, viewOf } from './format.js';

/** The methods of the header, by number. */
export const ENCRYPTION_METHODS = ['none', 'aes', 'luks'] as const;
export type EncryptionMethod = (typeof ENCRYPTION_METHODS)[number];

/** Where a LUKS header lies in the file, in bytes; it has whole clusters. */
export interface EncryptionHeader {
  readonly offset: number;
  readonly length: number;
}

/** What an encrypted image reads and writes its data with. Offsets are bytes, multiples of 512 as lengths are. */
export interface Encryption {
  /** The member `encrypt` of the image's info. */
  info(): Record<string, unknown>;
  /** Fills `buffer[start, start + length)` with what lies at `host` in `data` and at `guest` on the disk. */
  read(data: Edge, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Completion;
  write(data: Edge, host: number, guest: number, buffer: Uint8Array, start: number, length: number, pool: BufferPool): Completion;
  /** Fills or erases key slots. Absent: there are none, or no key was given. */
  amend?(options: LuksAmendOptions, force: boolean): Promise<void>;
}

/** The encryption that method and extensions of a header name; checked. */
export function parseEncryption(method: number, extensions: readonly Extension[], clusterSize: number): EncryptionMethod {
  const name = ENCRYPTION_METHODS.at(method);
  if (name === undefined) throw qcow2Error({ what: 'encryption-method', found: method });
  const data = dataOf(extensions, ExtensionType.Encryption);
  if (data === undefined) {
    if (name === 'luks') throw qcow2Error({ what: 'extension', text: 'Missing CRYPTO header for crypt method 2' });
    return name;
  }
  if (name !== 'luks') throw qcow2Error({ what: 'extension', text: 'CRYPTO header extension only expected with LUKS encryption method' });
  const offset = viewOf(data).getBigUint64(0);
  if (offset % BigInt(clusterSize) !== 0n) {
    throw qcow2Error({ what: 'extension', text: `Encryption header offset '${offset}' is not a multiple of cluster size '${clusterSize}'` });
  }
  if (!Number.isSafeInteger(u64(viewOf(data), 0) + u64(viewOf(data), 8))) {
    throw qcow2Error({ what: 'extension', text: 'Encryption header lies beyond 2^53 bytes' });
  }
  return name;
}

/** Where the LUKS header lies; undefined where there is none. */
export function encryptionHeaderOf(extensions: readonly Extension[]): EncryptionHeader | undefined {
  const data = dataOf(extensions, ExtensionType.Encryption);
  return data === undefined ? undefined : { offset: u64(viewOf(data), 0), length: u64(viewOf(data), 8) };
}

/** Options of `open` about encryption, as the graph hands them over. */
export interface EncryptOptions {
  readonly format?: string;
  readonly 'key-secret'?: string;
}

/** The nested option `encrypt`, checked. */
export function parseEncryptOptions(value: unknown): EncryptOptions {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object') throw argumentError("Block format 'qcow2' does not support the option 'encrypt'");
  for (const [name, text] of Object.entries(value)) {
    if (name !== 'format' && name !== 'key-secret') throw argumentError(`Parameter '${name}' is unexpected`);
    if (typeof text !== 'string') throw argumentError(`Invalid parameter type for 'encrypt.${name}', expected: string`);
  }
  return value;
}

/** Throws where the caller names another encryption than the header. */
export function checkEncryptFormat(method: EncryptionMethod, format: string | undefined): void {
  if (format === undefined || format === method) return;
  throw argumentError(
    method === 'none'
      ? `No encryption in image header, but options specified format '${format}'`
      : `Header reported '${method}' encryption format but options specify '${format}'`,
  );
}

export function noSecret(): BlockError {
  const message = "Parameter 'encrypt.key-secret' is required for cipher";
  return new BlockError('invalid-argument', message, { driver: 'qcow2', reason: 'qcow2/no-secret' });
}

/** An encrypted image that was opened for its metadata alone: data is neither read nor written. */
export function lockedEncryption(info: Record<string, unknown>): Encryption {
  const refuse = (): never => {
    throw new BlockError('permission', 'The image is encrypted and was opened without a key', { driver: 'qcow2', reason: 'qcow2/locked' });
  };
  return { info: () => info, read: refuse, write: refuse };
}
