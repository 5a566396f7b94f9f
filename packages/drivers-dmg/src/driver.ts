/** The driver value of `dmg`: its options, recognition, opening. */
import { defineDriver } from '@blk/core-graph';
import { readOnlyError } from './errors.js';

interface DmgOptions {
  readonly file: unknown;
  readonly 'cache-size'?: number;
}

/** Bytes. */
const DEFAULT_CACHE = 16 * 1024 * 1024;

/** Disk images of Apple: chunks, each packed in its own way. */
export const dmg = defineDriver<DmgOptions>({
  name: 'dmg',
  role: 'format',
  options: { 'cache-size': { type: 'size' } },
  children: { file: 'required' },

  // What says so stands at the end of the file, so the name has to do: above raw, below every format that knows itself.
  probe: (_head, filename) => (filename.endsWith('.dmg') ? 2 : 0),

  async open(options, context) {
    if (!context.readOnly) throw readOnlyError();
    // Loaded when an image is opened: most are something else.
    const { openDmg } = await import('./open.js');
    return openDmg(await context.child('file', options.file, 'storage'), options['cache-size'] ?? DEFAULT_CACHE, context);
  },
});
