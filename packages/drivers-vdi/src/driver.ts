/** The driver value of `vdi`: recognition, opening, creation. */
import { defineDriver } from '@blk/core-graph';
import { createVdi, type VdiCreateOptions } from './create.js';
import { isVdi } from './header.js';
import { openVdi } from './open.js';

interface VdiOptions {
  readonly file: unknown;
}

/** The image format of VirtualBox: a header, a map of blocks, and the blocks. */
export const vdi = defineDriver<VdiOptions, VdiCreateOptions>({
  name: 'vdi',
  role: 'format',
  options: {},
  children: { file: 'required' },

  probe: (head) => (isVdi(head) ? 100 : 0),

  async open(options, context) {
    return openVdi(await context.child('file', options.file, 'storage'), context);
  },

  createOptions: { static: { type: { type: 'bool' }, help: 'VDI static (pre-allocated) image', implied: false } },
  create: createVdi,
});
