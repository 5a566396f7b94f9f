/** What a new image may be like: the options by name, as the tools list them. */
import type { CreateOptionTable, Preallocation } from '@blk/core-graph';
import type { EncryptionWishes } from './create-encryption.js';

export interface CreateOptions extends EncryptionWishes {
  readonly size: number;
  readonly compat?: string;
  readonly cluster_size?: number;
  readonly lazy_refcounts?: boolean;
  readonly preallocation?: Preallocation;
  readonly refcount_bits?: number;
  readonly backing_file?: string;
  readonly backing_fmt?: string;
  readonly compression_type?: string;
  readonly extended_l2?: boolean;
  readonly data_file?: string;
  readonly data_file_raw?: boolean;
}

/** Bytes. */
export const DEFAULT_CLUSTER_SIZE = 65536;

export const CREATE_OPTIONS: CreateOptionTable = {
  backing_file: { type: { type: 'string' }, help: 'File name of a base image' },
  backing_fmt: { type: { type: 'string' }, help: 'Image format of the base image' },
  cluster_size: { type: { type: 'size' }, help: 'qcow2 cluster size', default: DEFAULT_CLUSTER_SIZE },
  compat: { type: { type: 'string' }, help: 'Compatibility level (v2 [0.10] or v3 [1.1])' },
  compression_type: { type: { type: 'string' }, help: 'Compression method used for image cluster compression', default: 'zlib' },
  data_file: { type: { type: 'string' }, help: 'File name of an external data file' },
  data_file_raw: { type: { type: 'bool' }, help: 'The external data file must stay valid as a raw image' },
  'encrypt.cipher-alg': { type: { type: 'string' }, help: 'Name of encryption cipher algorithm' },
  'encrypt.cipher-mode': { type: { type: 'string' }, help: 'Name of encryption cipher mode' },
  'encrypt.format': { type: { type: 'string' }, help: "Encrypt the image, format choices: 'aes', 'luks'" },
  'encrypt.hash-alg': { type: { type: 'string' }, help: 'Name of encryption hash algorithm' },
  'encrypt.iter-time': { type: { type: 'uint' }, help: 'Time to spend in PBKDF in milliseconds' },
  'encrypt.ivgen-alg': { type: { type: 'string' }, help: 'Name of IV generator algorithm' },
  'encrypt.ivgen-hash-alg': { type: { type: 'string' }, help: 'Name of IV generator hash algorithm' },
  'encrypt.key-secret': { type: { type: 'string' }, help: 'ID of secret providing qcow AES key or LUKS passphrase' },
  encryption: { type: { type: 'bool' }, help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)" },
  extended_l2: { type: { type: 'bool' }, help: 'Extended L2 tables', default: false },
  lazy_refcounts: { type: { type: 'bool' }, help: 'Postpone refcount updates', default: false },
  preallocation: { type: { type: 'string' }, help: 'Preallocation mode (allowed values: off, metadata, falloc, full)' },
  refcount_bits: { type: { type: 'int' }, help: 'Width of a reference count entry in bits', default: 16 },
};
