/** Every way in which an encrypted image, a key or a wish about one can be refused, and the sentences for it. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

/** What is wrong with a LUKS header. The wording is QEMU's wherever it has one. */
export type LuksDefect =
  | { readonly what: 'bad-magic' }
  | { readonly what: 'version'; readonly found: number }
  | { readonly what: 'truncated' }
  | { readonly what: 'not-terminated'; readonly field: string }
  | { readonly what: 'cipher'; readonly name: string; readonly keyBytes: number }
  | { readonly what: 'cipher-mode'; readonly text: string }
  | { readonly what: 'mode'; readonly name: string }
  | { readonly what: 'ivgen'; readonly name: string }
  | { readonly what: 'ivgen-hash-missing' }
  | { readonly what: 'hash'; readonly name: string }
  | { readonly what: 'essiv-key'; readonly keyBytes: number }
  | { readonly what: 'key-iterations' }
  | { readonly what: 'payload-in-header' }
  | { readonly what: 'payload-beyond-end'; readonly payload: number; readonly fileSize: number }
  | { readonly what: 'slot-in-header'; readonly slot: number }
  | { readonly what: 'slot-in-payload'; readonly slot: number }
  | { readonly what: 'slot-iterations'; readonly slot: number }
  | { readonly what: 'slot-state'; readonly slot: number }
  | { readonly what: 'slot-stripes'; readonly slot: number; readonly found: number }
  | { readonly what: 'slots-overlap'; readonly slot: number; readonly other: number }
  | { readonly what: 'iterations-policy'; readonly iterations: number; readonly limit: number };

const KINDS: Partial<Record<LuksDefect['what'], BlockErrorKind>> = {
  version: 'unsupported',
  cipher: 'unsupported',
  mode: 'unsupported',
  ivgen: 'unsupported',
  hash: 'unsupported',
  'essiv-key': 'unsupported',
  'iterations-policy': 'policy',
};

/** The only place in this package that builds a `BlockError` for a bad header. */
export function luksError(defect: LuksDefect): BlockError {
  return new BlockError(KINDS[defect.what] ?? 'invalid-image', describe(defect), { driver: 'luks', reason: `luks/${defect.what}` });
}

/** A refused option or argument. */
export function argumentError(message: string, kind: BlockErrorKind = 'invalid-argument'): BlockError {
  return new BlockError(kind, message);
}

/** No key slot opens with the passphrase. */
export function wrongPassphrase(): BlockError {
  return new BlockError('permission', 'Invalid password, cannot unlock any keyslot', { driver: 'luks', reason: 'luks/passphrase' });
}

function describe(defect: LuksDefect): string {
  switch (defect.what) {
    case 'bad-magic':
      return 'Volume is not in LUKS format';
    case 'version':
      return `LUKS version ${defect.found} is not supported`;
    case 'truncated':
      return 'LUKS header is cut short';
    case 'not-terminated':
      return `LUKS header ${defect.field} is not NUL terminated`;
    case 'cipher':
      return `Algorithm '${defect.name}' with key size ${defect.keyBytes} bytes not supported`;
    case 'cipher-mode':
      return `Unexpected cipher mode string format '${defect.text}'`;
    case 'mode':
      return `Cipher mode '${defect.name}' not supported`;
    case 'ivgen':
      return `IV generator '${defect.name}' not supported`;
    case 'ivgen-hash-missing':
      return 'Missing IV generator hash specification';
    case 'hash':
      return `Hash algorithm '${defect.name}' not supported`;
    case 'essiv-key':
      return `No AES cipher with key size ${defect.keyBytes} available`;
    case 'key-iterations':
      return 'LUKS key iteration count is zero';
    case 'payload-in-header':
      return 'LUKS payload is overlapping with the header';
    case 'payload-beyond-end':
      return `LUKS payload at ${defect.payload} lies beyond the end of the file at ${defect.fileSize}`;
    case 'slot-in-header':
      return `Keyslot ${defect.slot} is overlapping with the LUKS header`;
    case 'slot-in-payload':
      return `Keyslot ${defect.slot} is overlapping with the encrypted payload`;
    case 'slot-iterations':
      return `Keyslot ${defect.slot} iteration count is zero`;
    case 'slot-state':
      return `Keyslot ${defect.slot} state (active/disable) is corrupted`;
    case 'slot-stripes':
      return `Keyslot ${defect.slot} is corrupted (stripes ${defect.found | 0} != 4000)`;
    case 'slots-overlap':
      return `Keyslots ${defect.slot} and ${defect.other} are overlapping in the header`;
    case 'iterations-policy':
      return `Key slots with ${defect.iterations} iterations are beyond the limit of ${defect.limit} for one image`;
  }
}
