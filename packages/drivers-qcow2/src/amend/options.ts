/** Options of `amend`: their table, and what they come to for one image; refused here, before anything is changed. */
import type { CreateOptionTable } from '@blk/core-graph';
import type { LuksAmendOptions } from '@blk/crypto';
import type { EncryptionMethod } from '../encryption.js';
import { argumentError } from '../errors.js';
import { Autoclear, Compatible, Incompatible } from '../feature-bits.js';
import type { Header } from '../header.js';

export const AMEND_OPTIONS: CreateOptionTable = {
  backing_file: { type: { type: 'string' }, help: 'File name of a base image' },
  backing_fmt: { type: { type: 'string' }, help: 'Image format of the base image' },
  compat: { type: { type: 'string' }, help: 'Compatibility level (v2 [0.10] or v3 [1.1])' },
  data_file: { type: { type: 'string' }, help: 'File name of an external data file' },
  data_file_raw: { type: { type: 'bool' }, help: 'The external data file must stay valid as a raw image' },
  'encrypt.iter-time': { type: { type: 'uint' }, help: 'Time to spend in PBKDF in milliseconds' },
  'encrypt.keyslot': { type: { type: 'int' }, help: 'Select a single keyslot to modify explicitly' },
  'encrypt.new-secret': { type: { type: 'string' }, help: 'New secret to set in the matching keyslots. Empty string to erase' },
  'encrypt.old-secret': { type: { type: 'string' }, help: 'Select all keyslots that match this password' },
  'encrypt.state': { type: { type: 'string' }, help: 'Select new state of affected keyslots (active/inactive)' },
  lazy_refcounts: { type: { type: 'bool' }, help: 'Postpone refcount updates' },
  refcount_bits: { type: { type: 'uint' }, help: 'Width of a reference count entry in bits' },
  size: { type: { type: 'size' }, help: 'Virtual disk size' },
};

/** What an image is to be afterwards. */
export interface AmendPlan {
  readonly version: 2 | 3;
  readonly refcountOrder: number;
  readonly lazyRefcounts: boolean;
  /** What is to become of key slots; undefined: nothing. */
  readonly keys: LuksAmendOptions | undefined;
  /** Bytes; undefined: as it is. */
  readonly size: number | undefined;
  /** Another name for the external data file; empty: none, so that whoever opens the image has to name it. Undefined: as it is. */
  readonly dataFile: string | undefined;
  /** The external data file need not be a raw image by itself any more. */
  readonly endRawData: boolean;
}

/** Throws where the options can't be had, in the words of the reference tools. */
export function planAmend(options: Readonly<Record<string, unknown>>, header: Header): AmendPlan {
  const { geometry } = header;
  const version = versionOf(options['compat'], geometry.version);
  const raw = (header.autoclear & Autoclear.RawData) !== 0n;
  if (options['data_file_raw'] === true && !raw) throw argumentError('data-file-raw cannot be set on existing images');
  const keys = keysOf(options, header.encryption);
  const refcountOrder = orderOf(options['refcount_bits'], geometry.refcountOrder);
  if (options['data_file'] !== undefined && (header.incompatible & Incompatible.DataFile) === 0n) {
    throw argumentError('data-file can only be set for images that use an external data file');
  }
  refuseBacking(options, header);
  const lazy = options['lazy_refcounts'];
  if (lazy === true && version === 2) {
    throw argumentError('Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)');
  }
  if (version === 2) checkDowngrade(header, refcountOrder);
  return {
    version,
    refcountOrder,
    lazyRefcounts: version === 3 && (typeof lazy === 'boolean' ? lazy : (header.compatible & Compatible.LazyRefcounts) !== 0n),
    keys,
    size: typeof options['size'] === 'number' ? options['size'] : undefined,
    dataFile: typeof options['data_file'] === 'string' ? options['data_file'] : undefined,
    endRawData: raw && options['data_file_raw'] === false,
  };
}

function checkDowngrade(header: Header, refcountOrder: number): void {
  if (refcountOrder !== 4 && (header.geometry.version === 2 || refcountOrder !== header.geometry.refcountOrder)) {
    throw argumentError(
      'Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)',
    );
  }
  if (refcountOrder !== 4) throw argumentError('compat=0.10 requires refcount_bits=16', 'unsupported');
  if ((header.incompatible & Incompatible.DataFile) !== 0n) throw argumentError('Cannot downgrade an image with a data file', 'unsupported');
  const features = header.incompatible & ~(Incompatible.Dirty | Incompatible.Corrupt);
  if (features !== 0n) {
    throw argumentError(`Cannot downgrade an image with incompatible features 0x${features.toString(16)} set`, 'unsupported');
  }
}

function keysOf(options: Readonly<Record<string, unknown>>, method: EncryptionMethod): LuksAmendOptions | undefined {
  const wishes = Object.entries(options).filter(([name]) => name.startsWith('encrypt.'));
  if (wishes.length === 0) return undefined;
  if (method === 'none') throw argumentError("Can't amend encryption options - encryption not present");
  if (method !== 'luks') throw argumentError('Only LUKS encryption options can be amended', 'unsupported');
  return Object.fromEntries(wishes.map(([name, value]) => [name.slice('encrypt.'.length), value]));
}

function versionOf(compat: unknown, present: 2 | 3): 2 | 3 {
  switch (compat) {
    case undefined:
    case '':
      return present;
    case '0.10':
    case 'v2':
      return 2;
    case '1.1':
    case 'v3':
      return 3;
    default:
      throw argumentError(`Unknown compatibility level ${String(compat)}`);
  }
}

function orderOf(bits: unknown, present: number): number {
  if (typeof bits !== 'number') return present;
  const order = Math.log2(bits);
  if (!Number.isInteger(order) || order < 0 || order > 6) {
    throw argumentError('Refcount width must be a power of two and may not exceed 64 bits');
  }
  return order;
}

/** Another backing file is a matter of the disk's content, which `rebase` sees to. */
function refuseBacking(options: Readonly<Record<string, unknown>>, header: Header): void {
  const { backing_file: file, backing_fmt: format } = options;
  if (file === undefined && format === undefined) return;
  const same = header.backingFile !== undefined && file === header.backingFile && (format ?? '') === (header.backingFormat ?? '');
  if (!same) throw argumentError("Cannot amend the backing file\nYou can use 'qemu-img rebase' instead.");
}
