/** The driver value of `qcow`: its options, and what its images are known by. The rest is loaded when an image is opened or made. */
import { defineDriver } from '@blk/core-graph';
import { checkWish, createQcow, type QcowCreateOptions } from './create.js';
import { parseEncryptOptions } from './encryption.js';
import { isQcow } from './header.js';

interface QcowOptions {
  readonly file: unknown;
  readonly encrypt?: unknown;
  readonly 'cache-size'?: number;
}

/** The first copy-on-write format of QEMU: two levels of tables, compression, encryption, backing files. */
export const qcow = defineDriver<QcowOptions, QcowCreateOptions>({
  name: 'qcow',
  role: 'format',
  options: { encrypt: { type: 'any' }, 'cache-size': { type: 'size' } },
  children: { file: 'required' },
  backing: true,

  probe: (head) => (isQcow(head) ? 100 : 0),

  async open(options, context) {
    const encrypt = parseEncryptOptions(options.encrypt);
    const { openQcow } = await import('./open.js');
    return openQcow(await context.child('file', options.file, 'storage'), { encrypt, budget: options['cache-size'] }, context);
  },

  createOptions: {
    backing_file: { type: { type: 'string' }, help: 'File name of a base image' },
    backing_fmt: { type: { type: 'string' }, help: 'Format of the backing image' },
    'encrypt.format': { type: { type: 'string' }, help: "Encrypt the image, format choices: 'aes'" },
    'encrypt.key-secret': { type: { type: 'string' }, help: 'ID of the secret that provides the AES encryption key' },
    encryption: { type: { type: 'bool' }, help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)" },
  },
  checkCreate: (options) => {
    checkWish(options);
  },
  create: createQcow,
});
