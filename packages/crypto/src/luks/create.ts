/** New LUKS headers: the layout, a master key, and one slot for a passphrase. */
import { argumentError } from '../errors.js';
import { pbkdf2, type HashName } from '../primitives.js';
import { chooseCipher, type CipherOptions, type CipherSpec } from './cipher-spec.js';
import { DIGEST_BYTES, encodeLuksHeader, materialBytes, MAX_ITERATIONS, SALT_BYTES, SLOTS, type LuksHeader } from './header.js';
import { LuksVolume, type HeaderStore, type Random } from './volume.js';

/** Where the first slot's material begins, and what the places of all are multiples of, in bytes. */
const ALIGNMENT = 4096;
const DEFAULT_ITER_TIME = 2000;
/** The specification's least number. */
const MIN_ITERATIONS = 1000;

/** What a creation needs of its surroundings. */
export interface KeyTools {
  readonly random: Random;
  /** Nanoseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Bytes from the beginning of the header to the payload, for these options. Throws where they are wrong. */
export function luksPayloadOffset(options: CipherOptions): number {
  return layoutOf(chooseCipher(options).cipher).payload;
}

/**
 * Writes a header with one key slot into `store`, which reads as zeroes. Returns the master key, and what was written.
 * Throws before it writes anything where the options do not fit.
 */
export async function createLuks(
  store: HeaderStore,
  options: CipherOptions,
  passphrase: Uint8Array,
  tools: KeyTools,
): Promise<{ readonly volume: LuksVolume; readonly key: Uint8Array }> {
  const { cipher, hash } = chooseCipher(options);
  const { random } = tools;
  const iterTime = options['iter-time'] ?? DEFAULT_ITER_TIME;
  const key = new Uint8Array(cipher.keyBytes);
  const digestSalt = new Uint8Array(SALT_BYTES);
  random(key);
  random(digestSalt);
  const digestIterations = await iterationsFor(hash, DIGEST_BYTES, iterTime / 8, tools);
  const { slots, payload } = layoutOf(cipher);
  const header: LuksHeader = {
    cipher,
    hash,
    payloadOffset: payload,
    digest: await pbkdf2(hash, key, digestSalt, digestIterations, DIGEST_BYTES),
    digestSalt,
    digestIterations,
    uuid: uuid(random),
    slots: slots.map((offset) => ({ active: false, iterations: 0, salt: new Uint8Array(SALT_BYTES), offset })),
  };
  const volume = new LuksVolume(store, header);
  await store.write(0, encodeLuksHeader(header));
  await volume.fill(0, key, passphrase, await slotIterations(header, iterTime, tools), random);
  return { volume, key };
}

/** Iterations that take `iterTime` milliseconds here, for a slot of this header. */
export function slotIterations({ cipher, hash }: Pick<LuksHeader, 'cipher' | 'hash'>, iterTime: number | undefined, tools: KeyTools): Promise<number> {
  return iterationsFor(hash, cipher.keyBytes, iterTime ?? DEFAULT_ITER_TIME, tools);
}

function layoutOf(cipher: CipherSpec): { readonly slots: readonly number[]; readonly payload: number } {
  const step = Math.ceil(materialBytes({ cipher }) / ALIGNMENT) * ALIGNMENT;
  return { slots: Array.from({ length: SLOTS }, (_, slot) => ALIGNMENT + slot * step), payload: ALIGNMENT + SLOTS * step };
}

/** Doubles the work until it can be timed, and goes on from there. */
async function iterationsFor(hash: HashName, length: number, ms: number, { now }: KeyTools): Promise<number> {
  const password = new Uint8Array(16);
  const salt = new Uint8Array(SALT_BYTES);
  const enough = Math.min(20, Math.max(2, ms / 10)) * 1e6;
  for (let count = MIN_ITERATIONS; ; count *= 2) {
    const begin = now();
    await pbkdf2(hash, password, salt, count, length);
    const elapsed = now() - begin;
    if (elapsed < enough && count < 2 ** 24) continue;
    const wanted = Math.round((count * ms * 1e6) / Math.max(elapsed, 1));
    if (wanted > MAX_ITERATIONS) throw argumentError(`Parameter 'iter-time' is too large: it takes ${wanted} PBKDF iterations, more than ${MAX_ITERATIONS}`);
    return Math.max(MIN_ITERATIONS, wanted);
  }
}

/** A random one (version 4). */
function uuid(random: Random): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
