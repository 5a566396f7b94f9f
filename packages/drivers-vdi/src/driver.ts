/** The driver value of `vdi`: its options, and what its images are known by. The rest is loaded when an image is opened or made. */
import { defineDriver } from '@blk/core-graph';
import type { VdiCreateOptions } from './create.js';
import { isVdi } from './header.js';

interface VdiOptions {
  readonly file: unknown;
  readonly 'cache-size'?: number;
}

/** The image format of VirtualBox: a header, a map of blocks, and the blocks. */
export const vdi = defineDriver<VdiOptions, VdiCreateOptions>({
  name: 'vdi',
  role: 'format',
  options: { 'cache-size': { type: 'size' } },
  children: { file: 'required' },

  probe: (head) => (isVdi(head) ? 100 : 0),

  async open(options, context) {
    const { openVdi } = await import('./open.js');
    return openVdi(await context.child('file', options.file, 'storage'), options['cache-size'], context);
  },

  createOptions: { static: { type: { type: 'bool' }, help: 'VDI static (pre-allocated) image', implied: false } },
  create: async (file, options, context) => (await import('./create.js')).createVdi(file, options, context),
});
