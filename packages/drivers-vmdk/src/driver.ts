/** The driver value of `vmdk`: its options, recognition, opening. */
import { defineDriver } from '@blk/core-graph';
import { looksLikeDescriptor } from './descriptor.js';
import { parseNamedExtents } from './named-extents.js';
import { isCowd, isSparse } from './sparse-header.js';
import { checkWish, type VmdkCreateOptions } from './wish.js';

interface VmdkOptions {
  readonly file: unknown;
  readonly extents?: unknown;
  readonly 'cache-size'?: number;
}

/** Bytes. */
const DEFAULT_CACHE = 32 * 1024 * 1024;

/** Virtual disks of VMware, of one file or of many. */
export const vmdk = defineDriver<VmdkOptions, VmdkCreateOptions>({
  name: 'vmdk',
  role: 'format',
  options: { extents: { type: 'any' }, 'cache-size': { type: 'size' } },
  children: { file: 'required' },
  backing: true,

  probe: (head) => (isSparse(head) || isCowd(head) || looksLikeDescriptor(head) ? 100 : 0),

  async open(options, context) {
    const named = parseNamedExtents(options.extents);
    const file = await context.child('file', options.file, 'storage');
    // Loaded when an image is opened: most are something else.
    const { openVmdk } = await import('./open.js');
    return openVmdk(file, { named, cacheSize: options['cache-size'] ?? DEFAULT_CACHE }, context);
  },

  createOptions: {
    adapter_type: { type: { type: 'string' }, help: 'Virtual adapter type, can be one of ide (default), lsilogic, buslogic or legacyESX' },
    backing_file: { type: { type: 'string' }, help: 'File name of a base image' },
    backing_fmt: { type: { type: 'string' }, help: "Must be 'vmdk' if present" },
    compat6: { type: { type: 'bool' }, implied: false, help: 'VMDK version 6 image' },
    hwversion: { type: { type: 'string' }, implied: 'undefined', help: 'VMDK hardware version' },
    subformat: {
      type: { type: 'string' },
      help:
        'VMDK flat extent format, can be one of ' +
        '{monolithicSparse (default) | monolithicFlat | twoGbMaxExtentSparse | twoGbMaxExtentFlat | streamOptimized} ',
    },
    toolsversion: { type: { type: 'string' }, help: 'VMware guest tools version' },
    zeroed_grain: { type: { type: 'bool' }, help: 'Enable efficient zero writes using the zeroed-grain GTE feature' },
  },
  checkCreate: (options) => {
    checkWish(options);
  },
  async create(file, options, context) {
    const { createVmdk } = await import('./create.js');
    await createVmdk(file, options, context);
  },
});
