/** The driver value of `vpc`: its options, recognition, creation. */
import { defineDriver } from '@blk/core-graph';
import type { VpcCreateOptions } from './create.js';
import { argumentError } from './errors.js';
import type { SizeCalculation } from './footer.js';
import { hasText } from './format.js';

interface VpcOptions {
  readonly file: unknown;
  readonly force_size_calc?: string;
  readonly 'cache-size'?: number;
}

/** A virtual hard disk of Virtual PC, Hyper-V, Azure and others. */
export const vpc = defineDriver<VpcOptions, VpcCreateOptions>({
  name: 'vpc',
  role: 'format',
  options: { force_size_calc: { type: 'string' }, 'cache-size': { type: 'size' } },
  children: { file: 'required' },
  backing: true,

  // Fixed disks begin with what the guest wrote, so that they are never guessed.
  probe: (head) => (hasText(head, 0, 'conectix') ? 100 : 0),

  async open(options, context) {
    const calculation = sizeCalculation(options.force_size_calc);
    const file = await context.child('file', options.file, 'storage');
    // Loaded when an image is opened: most are something else.
    const { openVpc } = await import('./open-image.js');
    return openVpc(file, { calculation, budget: options['cache-size'] }, context);
  },

  createOptions: {
    force_size: {
      type: { type: 'bool' },
      help: 'Force disk size calculation to use the actual size specified, rather than using the nearest CHS-based calculation',
    },
    subformat: {
      type: { type: ['dynamic', 'fixed'] },
      help: 'Type of virtual hard disk format. Supported formats are {dynamic (default) | fixed} ',
    },
  },

  async create(file, options, context) {
    const { createVpc } = await import('./create.js');
    await createVpc(file, options, context);
  },
});

function sizeCalculation(mode: string | undefined): SizeCalculation | undefined {
  if (mode === undefined || mode === 'chs' || mode === 'current_size') return mode;
  throw argumentError(`Invalid size calculation mode: '${mode}'`);
}
