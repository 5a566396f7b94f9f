/** The driver value of `qed`: its options, and what its images are known by. The rest is loaded when an image is opened or made. */
import { defineDriver } from '@blk/core-graph';
import { createQed, headerFor, type QedCreateOptions } from './create.js';
import { CLUSTERS, isQed } from './header.js';

interface QedOptions {
  readonly file: unknown;
  readonly 'cache-size'?: number;
}

/** The QEMU Enhanced Disk: two levels of tables, backing files. */
export const qed = defineDriver<QedOptions, QedCreateOptions>({
  name: 'qed',
  role: 'format',
  options: { 'cache-size': { type: 'size' } },
  children: { file: 'required' },
  backing: true,

  probe: (head) => (isQed(head) ? 100 : 0),

  async open(options, context) {
    const { openQed } = await import('./open.js');
    return openQed(await context.child('file', options.file, 'storage'), options['cache-size'], context);
  },

  createOptions: {
    backing_file: { type: { type: 'string' }, help: 'File name of a base image' },
    backing_fmt: { type: { type: 'string' }, help: 'Image format of the base image' },
    cluster_size: { type: { type: 'size' }, help: 'Cluster size (in bytes)', implied: CLUSTERS.usual },
    table_size: { type: { type: 'size' }, help: 'L1/L2 table size (in clusters)' },
  },
  checkCreate: (options) => {
    headerFor(options);
  },
  create: createQed,
});
