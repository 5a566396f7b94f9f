/** Changing the passphrases of an image: slots filled and erased, as the options of `amend` wish. */
import { passphrase } from '../secret.js';
import { argumentError } from '../errors.js';
import type { SecretLookup } from '@blk/core-graph';
import { slotIterations, type KeyTools } from './create.js';
import { SLOTS } from './header.js';
import type { LuksVolume } from './volume.js';

/** Options of `amend`, by the names that follow `encrypt.` in qcow2. */
export interface LuksAmendOptions {
  readonly state?: string | undefined;
  /** Activating: the secret with the new passphrase. */
  readonly 'new-secret'?: string | undefined;
  /** Erasing: every slot that this secret opens. */
  readonly 'old-secret'?: string | undefined;
  readonly keyslot?: number | undefined;
  /** Milliseconds, for a slot that is filled. */
  readonly 'iter-time'?: number | undefined;
}

export interface AmendEnvironment extends KeyTools {
  readonly secret: SecretLookup;
  /** Overwrite a slot that is in use, erase the last one. */
  readonly force: boolean;
}

/** Throws, with nothing changed, where the wish is wrong. `key` is the master key. */
export async function amendLuks(volume: LuksVolume, key: Uint8Array, options: LuksAmendOptions, environment: AmendEnvironment): Promise<void> {
  const { state } = options;
  if (state === undefined) throw argumentError("Parameter 'state' is missing");
  if (state !== 'active' && state !== 'inactive') throw argumentError(`Parameter 'state' does not accept value '${state}'`);
  if (state === 'active') await activate(volume, key, options, environment);
  else await erase(volume, options, environment);
}

async function activate(volume: LuksVolume, key: Uint8Array, options: LuksAmendOptions, environment: AmendEnvironment): Promise<void> {
  const { keyslot } = options;
  const secret = options['new-secret'];
  if (secret === undefined) throw argumentError("'new-secret' is required to activate a keyslot");
  if (options['old-secret'] !== undefined) throw argumentError("'old-secret' must not be given when activating keyslots");
  checkSlot(keyslot);
  const { slots } = volume.header;
  if (keyslot !== undefined && slots[keyslot].active && !environment.force) {
    throw argumentError(`Refusing to overwrite active keyslot ${keyslot} - please erase it first`);
  }
  const slot = keyslot ?? slots.findIndex(({ active }) => !active);
  if (slot < 0) throw argumentError("Can't add a keyslot - all keyslots are in use");
  const words = await passphrase(environment.secret, secret);
  const iterations = await slotIterations(volume.header, options['iter-time'], environment);
  await volume.fill(slot, key, words, iterations, environment.random);
}

async function erase(volume: LuksVolume, options: LuksAmendOptions, environment: AmendEnvironment): Promise<void> {
  const { keyslot } = options;
  const secret = options['old-secret'];
  if (options['new-secret'] !== undefined) throw argumentError("'new-secret' must not be given when erasing keyslots");
  if (options['iter-time'] !== undefined) throw argumentError("'iter-time' must not be given when erasing keyslots");
  checkSlot(keyslot);
  const { slots } = volume.header;
  const words = secret === undefined ? undefined : await passphrase(environment.secret, secret);
  if (keyslot !== undefined) {
    if (words !== undefined && !(await volume.opens(keyslot, words))) {
      throw argumentError(`Given keyslot ${keyslot} doesn't contain the given old password for erase operation`);
    }
    if (!slots[keyslot].active && !environment.force) throw argumentError(`Given keyslot ${keyslot} is already erased (inactive) `);
    if (countActive(volume) === 1 && slots[keyslot].active && !environment.force) {
      throw argumentError(
        `Attempt to erase the only active keyslot ${keyslot} which will erase all the data in the image irreversibly - refusing operation`,
      );
    }
    await volume.erase(keyslot, environment.random);
    return;
  }
  if (words === undefined) {
    throw argumentError('To erase keyslot(s), either explicit keyslot index or the password currently contained in them must be given');
  }
  const matching: number[] = [];
  for (let slot = 0; slot < SLOTS; slot++) if (await volume.opens(slot, words)) matching.push(slot);
  if (matching.length === 0) throw argumentError('No keyslots match given (old) password for erase operation');
  if (matching.length === countActive(volume) && !environment.force) {
    throw argumentError(
      'All the active keyslots match the (old) password that was given and erasing them will erase all the data in the image irreversibly - refusing operation',
    );
  }
  for (const slot of matching) await volume.erase(slot, environment.random);
}

function checkSlot(keyslot: number | undefined): void {
  if (keyslot === undefined || (keyslot >= 0 && keyslot < SLOTS)) return;
  // The reference tools have numbers of 32 bits here.
  throw argumentError(`Invalid keyslot ${keyslot >>> 0} specified, must be between 0 and ${SLOTS - 1}`);
}

function countActive(volume: LuksVolume): number {
  return volume.header.slots.filter(({ active }) => active).length;
}
