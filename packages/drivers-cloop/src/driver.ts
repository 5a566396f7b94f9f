/** The driver value of `cloop`: its options, recognition, opening. */
import { defineDriver } from '@blk/core-graph';
import { readOnlyError } from './errors.js';
import { isCloop } from './header.js';

interface CloopOptions {
  readonly file: unknown;
  readonly 'cache-size'?: number;
}

/** Bytes. */
const DEFAULT_CACHE = 16 * 1024 * 1024;

/** The compressed disks of live systems: blocks of one size, each a stream of its own. */
export const cloop = defineDriver<CloopOptions>({
  name: 'cloop',
  role: 'format',
  options: { 'cache-size': { type: 'size' } },
  children: { file: 'required' },

  // Below the certainty of magic numbers: it is the text of a script.
  probe: (head) => (isCloop(head) ? 2 : 0),

  async open(options, context) {
    if (!context.readOnly) throw readOnlyError();
    // Loaded when an image is opened: most are something else.
    const { openCloop } = await import('./open.js');
    return openCloop(await context.child('file', options.file, 'storage'), options['cache-size'] ?? DEFAULT_CACHE, context);
  },
});
