/** The driver value of `luks`: its options and their checks, recognition, creation. */
import { BlockError, defineDriver, type Preallocation } from '@blk/core-graph';
import type { CipherOptions } from '@blk/crypto';

interface LuksOptions {
  readonly file: unknown;
  /** The secret that has a passphrase of the container. */
  readonly 'key-secret'?: string;
}

export interface LuksCreateOptions extends CipherOptions {
  readonly 'key-secret'?: string;
  readonly preallocation?: Preallocation;
}

/** `LUKS`, two bytes that are no text, and the version. */
const MAGIC = [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe, 0, 1];

/** A LUKS container, version 1: a header with key slots, and the disk encrypted behind it. */
export const luks = defineDriver<LuksOptions, LuksCreateOptions>({
  name: 'luks',
  role: 'format',
  options: { 'key-secret': { type: 'string' } },
  children: { file: 'required' },

  probe: (head) => (MAGIC.every((byte, at) => head[at] === byte) ? 100 : 0),

  async open(options, context) {
    const file = await context.child('file', options.file, 'storage');
    // Loaded when a container is opened: most images are something else.
    const { openContainer } = await import('./open.js');
    return openContainer(file, options['key-secret'], context);
  },

  amendOptions: {
    'iter-time': { type: { type: 'uint' }, help: 'Time to spend in PBKDF in milliseconds' },
    keyslot: { type: { type: 'int' }, help: 'Select a single keyslot to modify explicitly' },
    'new-secret': { type: { type: 'string' }, help: 'New secret to set in the matching keyslots. Empty string to erase' },
    'old-secret': { type: { type: 'string' }, help: 'Select all keyslots that match this password' },
    state: { type: { type: 'string' }, help: 'Select new state of affected keyslots (active/inactive)' },
  },
  createOptions: {
    'cipher-alg': { type: { type: 'string' }, help: 'Name of encryption cipher algorithm' },
    'cipher-mode': { type: { type: 'string' }, help: 'Name of encryption cipher mode' },
    'hash-alg': { type: { type: 'string' }, help: 'Name of encryption hash algorithm' },
    'iter-time': { type: { type: 'uint' }, help: 'Time to spend in PBKDF in milliseconds' },
    'ivgen-alg': { type: { type: 'string' }, help: 'Name of IV generator algorithm' },
    'ivgen-hash-alg': { type: { type: 'string' }, help: 'Name of IV generator hash algorithm' },
    'key-secret': { type: { type: 'string' }, help: 'ID of the secret that provides the keyslot passphrase' },
    // Given to the file, when it gets its length; the protocol alone would take it for an empty file.
    preallocation: { type: { type: ['off', 'metadata', 'falloc', 'full'] }, help: 'Preallocation mode (allowed values: off, metadata, falloc, full)', ofProtocol: true },
  },

  async measure(options, _data, lookup) {
    const { measureContainer } = await import('./create.js');
    const bytes = await measureContainer(secretOf(options), options, lookup);
    return { required: bytes, fullyAllocated: bytes };
  },

  async create(file, options, context) {
    const secret = secretOf(options);
    const { createContainer } = await import('./create.js');
    await createContainer(file, secret, options, context);
  },
});

function secretOf(options: LuksCreateOptions): string {
  const secret = options['key-secret'];
  if (secret === undefined) throw new BlockError('invalid-argument', "Parameter 'key-secret' is required for cipher", { driver: 'luks' });
  return secret;
}
