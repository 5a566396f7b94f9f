/** The driver value of `bochs`: recognition, opening. */
import { defineDriver } from '@blk/core-graph';
import { readOnlyError } from './errors.js';
import { isBochs } from './header.js';

interface BochsOptions {
  readonly file: unknown;
}

/** The growing disks of Bochs: a redolog without a disk below it. */
export const bochs = defineDriver<BochsOptions>({
  name: 'bochs',
  role: 'format',
  options: {},
  children: { file: 'required' },

  probe: (head) => (isBochs(head) ? 100 : 0),

  async open(options, context) {
    if (!context.readOnly) throw readOnlyError();
    // Loaded when an image is opened: most are something else.
    const { openBochs } = await import('./open.js');
    return openBochs(await context.child('file', options.file, 'storage'), context);
  },
});
