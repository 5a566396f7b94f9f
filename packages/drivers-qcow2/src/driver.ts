/** The driver value of qcow2. */
import { defineDriver, type BlockDriver, type Edge, type OpenContext } from '@blk/core-graph';
import { AMEND_OPTIONS } from './amend/options.js';
import { openDataFile } from './data-file.js';
import { checkCreation, createQcow2 } from './create.js';
import { CREATE_OPTIONS, type CreateOptions } from './create-options.js';
import { MAGIC, viewOf } from './format.js';
import { OPTION_TABLE, type RawOptions } from './options.js';
import { checkEncryptFormat, encryptionHeaderOf, parseEncryptOptions, type EncryptOptions, type Encryption } from './encryption.js';
import type { Header } from './header.js';
import { openQcow2, readHeaderForCheck, type OpenParts } from './open-image.js';
import type { Qcow2Image } from './qcow2-image.js';
import { Qcow2Node } from './qcow2-node.js';

/** The qcow2 image format, versions 2 and 3. */
export const qcow2: BlockDriver = defineDriver<RawOptions, CreateOptions>({
  name: 'qcow2',
  role: 'format',
  options: OPTION_TABLE,
  changeable: Object.keys(OPTION_TABLE).filter((name) => name !== 'encrypt'),
  children: { file: 'required', 'data-file': 'optional' },
  backing: true,

  probe: (head) => (head.length >= 8 && viewOf(head).getUint32(0) === MAGIC && viewOf(head).getUint32(4) >= 2 ? 100 : 0),

  async open(options, context) {
    const file = await context.child('file', options.file, 'storage');
    const encrypt = parseEncryptOptions(options.encrypt);
    let encryption: Encryption | undefined;
    let data: Edge | undefined;
    // An image that is opened again keeps its key and its data file.
    const parts: OpenParts = {
      encryption: async (header) => (encryption ??= await openEncryptionOf(header, file, encrypt, context)),
      data: async (header) => (data ??= await openDataFile(header, options['data-file'], file.node.filename, context)),
    };
    if (context.checking) {
      const header = await readHeaderForCheck(file, context);
      await parts.data(header);
      // Nothing is decrypted; but who gives a key is told when it is the wrong one.
      if (encrypt['key-secret'] !== undefined) await parts.encryption(header);
      const { Qcow2CheckNode } = await import('./check-node.js');
      return new Qcow2CheckNode(file, header, context.policy, context.readOnly);
    }
    const open = (): Promise<Qcow2Image> => openQcow2(file, options, context, parts);
    return new Qcow2Node(await open(), open, context.policy);
  },

  amendOptions: AMEND_OPTIONS,
  createOptions: CREATE_OPTIONS,
  checkCreate: checkCreation,
  create: createQcow2,
  // Loaded when they are asked for, which is rare.
  measure: async (...words) => (await import('./measure.js')).measureQcow2(...words),
  stream: async (...words) => (await import('./stream.js')).streamQcow2(...words),
});

/** Ciphers are loaded for encrypted images only. */
async function openEncryptionOf(header: Header, file: Edge, options: EncryptOptions, context: OpenContext): Promise<Encryption | undefined> {
  const { encryption: method, extensions } = header;
  checkEncryptFormat(method, options.format);
  if (method === 'none') return undefined;
  const { openEncryption } = await import('./open-encryption.js');
  return openEncryption(method, encryptionHeaderOf(extensions), file, options['key-secret'], context);
}
