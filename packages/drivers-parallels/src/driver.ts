/** The driver value of `parallels`: its options, and what its images are known by. The rest is loaded when an image is opened or made. */
import { defineDriver } from '@blk/core-graph';
import { checkWish, createParallels, DEFAULT_CLUSTER, type ParallelsCreateOptions } from './create.js';
import { isParallels } from './header.js';

interface ParallelsOptions {
  readonly file: unknown;
  readonly 'cache-size'?: number;
}

/** The expandable images of Parallels: a header, a catalog, and the clusters. */
export const parallels = defineDriver<ParallelsOptions, ParallelsCreateOptions>({
  name: 'parallels',
  role: 'format',
  options: { 'cache-size': { type: 'size' } },
  children: { file: 'required' },

  probe: (head) => (isParallels(head) ? 100 : 0),

  async open(options, context) {
    const { openParallels } = await import('./open.js');
    return openParallels(await context.child('file', options.file, 'storage'), options['cache-size'], context);
  },

  createOptions: { cluster_size: { type: { type: 'size' }, help: 'Parallels image cluster size', implied: DEFAULT_CLUSTER } },
  checkCreate: (options) => {
    checkWish(options);
  },
  create: createParallels,
});
