/** The keys of one LUKS image: its header on disk, the slots in it, and the way from a passphrase to the master key. */
import { luksError, wrongPassphrase } from '../errors.js';
import { pbkdf2 } from '../primitives.js';
import { SectorCipher } from '../sector/sector-cipher.js';
import { requireCipher } from './cipher-spec.js';
import { DIGEST_BYTES, encodeLuksHeader, LUKS_HEADER_BYTES, materialBytes, MAX_ITERATIONS, parseLuksHeader, SALT_BYTES, type KeySlot, type LuksHeader } from './header.js';
import { mergeKey, splitKey } from './split.js';

/** Where a header lies; offsets are bytes from its beginning. */
export interface HeaderStore {
  /** Bytes that can be read; what lies behind them is missing. */
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  flush(): Promise<void>;
}

/** Fills with random bytes. */
export type Random = (into: Uint8Array<ArrayBuffer>) => void;

export class LuksVolume {
  readonly #store: HeaderStore;
  #header: LuksHeader;

  constructor(store: HeaderStore, header: LuksHeader) {
    this.#store = store;
    this.#header = header;
  }

  /** Reads and checks the header. Throws a `BlockError` where it is none, or where its key material is not there. */
  static async open(store: HeaderStore): Promise<LuksVolume> {
    return new LuksVolume(store, parseLuksHeader(await store.read(0, Math.min(LUKS_HEADER_BYTES, store.size))));
  }

  get header(): LuksHeader {
    return this.#header;
  }

  /**
   * The master key, by the first slot that the passphrase opens. Throws kind `permission` where none does, and `policy` where trying could
   * take more than `maxIterations` iterations.
   */
  async unlock(passphrase: Uint8Array, maxIterations = Infinity): Promise<Uint8Array> {
    const { cipher, slots, digestIterations } = this.#header;
    requireCipher(cipher);
    const active = slots.filter((slot) => slot.active);
    const iterations = active.reduce((sum, slot) => sum + slot.iterations + digestIterations, 0);
    if (iterations > maxIterations) throw luksError({ what: 'iterations-policy', iterations, limit: maxIterations });
    // The quickest first, and what no platform derives last.
    for (const slot of active.sort((a, b) => a.iterations - b.iterations)) {
      const key = await this.#keyIn(slot, passphrase);
      if (key !== undefined) return key;
    }
    throw wrongPassphrase();
  }

  /** Whether the passphrase opens the slot. */
  async opens(slot: number, passphrase: Uint8Array): Promise<boolean> {
    const found = this.#header.slots[slot];
    return found.active && (await this.#keyIn(found, passphrase)) !== undefined;
  }

  /** Puts the master key into a slot, for a passphrase; on stable storage afterwards, the material before the header. */
  async fill(slot: number, key: Uint8Array, passphrase: Uint8Array, iterations: number, random: Random): Promise<void> {
    const { cipher, hash } = this.#header;
    const salt = new Uint8Array(SALT_BYTES);
    random(salt);
    const derived = await pbkdf2(hash, passphrase, salt, iterations, cipher.keyBytes);
    const material = new Uint8Array(materialBytes(this.#header));
    material.set(splitKey(key, hash, random));
    new SectorCipher(cipher, derived).encrypt(0, material, 0, material, 0, material.length);
    const { offset } = this.#header.slots[slot];
    await this.#store.write(offset, material);
    await this.#store.flush();
    await this.#changeSlot(slot, { active: true, iterations, salt, offset });
  }

  /** Makes a slot useless: first its material, then its entry, so that a key that is said to be gone never is there. */
  async erase(slot: number, random: Random): Promise<void> {
    const { offset } = this.#header.slots[slot];
    const noise = new Uint8Array(materialBytes(this.#header));
    random(noise);
    await this.#store.write(offset, noise);
    await this.#store.flush();
    await this.#changeSlot(slot, { active: false, iterations: 0, salt: new Uint8Array(SALT_BYTES), offset });
  }

  async #keyIn(slot: KeySlot, passphrase: Uint8Array): Promise<Uint8Array | undefined> {
    const { cipher, hash, digest, digestSalt, digestIterations } = this.#header;
    const length = materialBytes(this.#header);
    // A slot that the file has only a part of opens with nothing.
    if (slot.offset + length > this.#store.size) return undefined;
    const iterations = Math.max(slot.iterations, digestIterations);
    if (iterations > MAX_ITERATIONS) throw luksError({ what: 'iterations-policy', iterations, limit: MAX_ITERATIONS });
    const derived = await pbkdf2(hash, passphrase, slot.salt, slot.iterations, cipher.keyBytes);
    const material = await this.#store.read(slot.offset, length);
    new SectorCipher(cipher, derived).decrypt(0, material, 0, material, 0, length);
    const key = mergeKey(material, cipher.keyBytes, hash);
    const found = await pbkdf2(hash, key, digestSalt, digestIterations, DIGEST_BYTES);
    return found.every((byte, at) => byte === digest[at]) ? key : undefined;
  }

  async #changeSlot(index: number, slot: KeySlot): Promise<void> {
    const header = { ...this.#header, slots: this.#header.slots.map((old, at) => (at === index ? slot : old)) };
    await this.#store.write(0, encodeLuksHeader(header));
    await this.#store.flush();
    this.#header = header;
  }
}
