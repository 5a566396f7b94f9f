/** The driver value of `vhdx`: its options, recognition, creation. */
import { defineDriver } from '@blk/core-graph';
import type { VhdxCreateOptions } from './create.js';

interface VhdxOptions {
  readonly file: unknown;
  readonly 'cache-size'?: number;
}

const MAGIC = [...'vhdxfile'].map((char) => char.charCodeAt(0));

/** A virtual hard disk, version 2, of Hyper-V and others. */
export const vhdx = defineDriver<VhdxOptions, VhdxCreateOptions>({
  name: 'vhdx',
  role: 'format',
  options: { 'cache-size': { type: 'size' } },
  children: { file: 'required' },
  backing: true,

  probe: (head) => (MAGIC.every((byte, at) => head[at] === byte) ? 100 : 0),

  async open(options, context) {
    const file = await context.child('file', options.file, 'storage');
    // Loaded when an image is opened: most are something else.
    const { openVhdx } = await import('./open-image.js');
    return openVhdx(file, options['cache-size'], context);
  },

  createOptions: {
    block_size: {
      type: { type: 'size' },
      default: 0,
      help: 'Block Size; min 1MB, max 256MB. 0 means auto-calculate based on image size.',
    },
    block_state_zero: {
      type: { type: 'bool' },
      help:
        "Force use of payload blocks of type 'ZERO'. Non-standard, but default.  Do not set to 'off' when using 'qemu-img convert' with subformat=dynamic.",
    },
    log_size: { type: { type: 'size' }, default: 1_048_576, help: 'Log size; min 1MB.' },
    size: { type: { type: 'size' }, help: 'Virtual disk size; max of 64TB.' },
    subformat: {
      type: { type: ['dynamic', 'fixed'] },
      help: "VHDX format type, can be either 'dynamic' or 'fixed'. Default is 'dynamic'.",
    },
  },

  async create(file, options, context) {
    const { createVhdx } = await import('./create.js');
    await createVhdx(file, options, context);
  },
});
