/** Which cipher a LUKS header names, and the names for one that is wished for. */
import { argumentError, luksError } from '../errors.js';
import { hasHash, HASH_NAMES, type HashName } from '../primitives.js';
import { IV_NAMES, type IvName } from '../sector/iv.js';
import { MODE_NAMES, type ModeName, type SectorCipherSpec } from '../sector/sector-cipher.js';

/** The parts of a cipher's description. */
export interface CipherSpec extends SectorCipherSpec {
  /** `aes-128` and the like. */
  readonly algorithm: string;
  /** Bytes of the master key; xts has two keys in it. */
  readonly keyBytes: number;
}

/** Ciphers that LUKS images may have, by their names in options, and the bytes of one key. Only AES can be used. */
const ALGORITHMS: Readonly<Record<string, number>> = {
  'aes-128': 16, 'aes-192': 24, 'aes-256': 32, 'cast5-128': 16, 'serpent-128': 16, 'serpent-192': 24, 'serpent-256': 32,
  'twofish-128': 16, 'twofish-192': 24, 'twofish-256': 32, des: 8, '3des': 24,
};
const HEADER_NAMES = ['aes', 'cast5', 'serpent', 'twofish'];

/** The cipher that the fields of a header come to. Throws where the platform lacks it. */
export function parseCipherSpec(name: string, modeText: string, keyBytes: number): CipherSpec {
  // `xts-plain64`, `cbc-essiv:sha256`; `ecb` needs no vectors.
  const [, modeName = '', ivName, hashName] = /^([^-]+)(?:-([^:]+)(?::(.+))?)?$/.exec(modeText) ?? [];
  if (ivName === undefined && modeName !== 'ecb') throw luksError({ what: 'cipher-mode', text: modeText });
  const mode = MODE_NAMES.find((known) => known === modeName);
  if (mode === undefined) throw luksError({ what: 'mode', name: modeName });
  const oneKey = mode === 'xts' ? Math.floor(keyBytes / 2) : keyBytes;
  const algorithm = `${name}-${oneKey * 8}`;
  if (!HEADER_NAMES.includes(name) || ALGORITHMS[algorithm] !== oneKey || (mode === 'xts' && keyBytes % 2 !== 0)) {
    throw luksError({ what: 'cipher', name, keyBytes: oneKey });
  }
  const iv = IV_NAMES.find((known) => known === (ivName ?? 'plain64'));
  if (iv === undefined) throw luksError({ what: 'ivgen', name: String(ivName) });
  const hash = hashName === undefined ? undefined : parseHash(hashName);
  if (iv === 'essiv' && hash === undefined) throw luksError({ what: 'ivgen-hash-missing' });
  return { algorithm, mode, keyBytes, iv: { name: iv, hash } };
}

/** The hash of this name, if it can be computed here. */
export function parseHash(name: string): HashName {
  const hash = HASH_NAMES.find((known) => known === name);
  if (hash === undefined || !hasHash(hash)) throw luksError({ what: 'hash', name });
  return hash;
}

/** The names that a header has for a cipher. */
export function cipherNames({ algorithm, mode, iv }: CipherSpec): { readonly name: string; readonly mode: string } {
  return { name: algorithm.split('-')[0], mode: `${mode}-${iv.name}${iv.hash === undefined ? '' : `:${iv.hash}`}` };
}

/** Throws where a header names a cipher that exists, but not here. */
export function requireCipher({ algorithm }: CipherSpec): void {
  if (!algorithm.startsWith('aes-')) throw argumentError(`Algorithm '${algorithm}' not supported`, 'unsupported');
}

/** Options of creation, by the names that follow `encrypt.` in qcow2. */
export interface CipherOptions {
  readonly 'cipher-alg'?: string | undefined;
  readonly 'cipher-mode'?: string | undefined;
  readonly 'ivgen-alg'?: string | undefined;
  readonly 'ivgen-hash-alg'?: string | undefined;
  readonly 'hash-alg'?: string | undefined;
  /** Milliseconds that deriving a key from a passphrase shall take; 2000 unless given. */
  readonly 'iter-time'?: number | undefined;
}

/** What the options come to; checked. */
export function chooseCipher(options: CipherOptions): { readonly cipher: CipherSpec; readonly hash: HashName } {
  const algorithm = options['cipher-alg'] ?? 'aes-256';
  const oneKey = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm] : undefined;
  if (oneKey === undefined) throw wrongValue('cipher-alg', algorithm);
  const mode = oneOf<ModeName>('cipher-mode', options['cipher-mode'] ?? 'xts', MODE_NAMES);
  const name = oneOf<IvName>('ivgen-alg', options['ivgen-alg'] ?? 'plain64', IV_NAMES);
  const given = options['ivgen-hash-alg'];
  const ivHash = given === undefined ? (name === 'essiv' ? 'sha256' : undefined) : oneOf<HashName>('ivgen-hash-alg', given, HASH_NAMES);
  const hash = oneOf<HashName>('hash-alg', options['hash-alg'] ?? 'sha256', HASH_NAMES);
  const cipher: CipherSpec = { algorithm, mode, keyBytes: mode === 'xts' ? oneKey * 2 : oneKey, iv: { name, hash: ivHash } };
  requireCipher(cipher);
  for (const needed of [hash, ...(ivHash === undefined ? [] : [ivHash])]) parseHash(needed);
  return { cipher, hash };
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((known) => known === value);
  if (found === undefined) throw wrongValue(option, value);
  return found;
}

function wrongValue(option: string, value: string): Error {
  return argumentError(`Parameter '${option}' does not accept value '${value}'`);
}
