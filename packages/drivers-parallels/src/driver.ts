/** The driver value of `parallels`: recognition, opening, creation. */
import { defineDriver } from '@blk/core-graph';
import { checkWish, createParallels, DEFAULT_CLUSTER, type ParallelsCreateOptions } from './create.js';
import { isParallels } from './header.js';
import { openParallels } from './open.js';

interface ParallelsOptions {
  readonly file: unknown;
}

/** The expandable images of Parallels: a header, a catalog, and the clusters. */
export const parallels = defineDriver<ParallelsOptions, ParallelsCreateOptions>({
  name: 'parallels',
  role: 'format',
  options: {},
  children: { file: 'required' },

  probe: (head) => (isParallels(head) ? 100 : 0),

  async open(options, context) {
    return openParallels(await context.child('file', options.file, 'storage'), context);
  },

  createOptions: { cluster_size: { type: { type: 'size' }, help: 'Parallels image cluster size', implied: DEFAULT_CLUSTER } },
  checkCreate: (options) => {
    checkWish(options);
  },
  create: createParallels,
});
