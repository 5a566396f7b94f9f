/** The driver value `blkdebug`: its options, and the file names that mean it. The rest is loaded when an image is opened. */
import { defineDriver, type BlockDriver } from '@blk/core-graph';
import { blkdebugError } from './errors.js';
import type { LimitOptions } from './limits.js';

export interface BlkdebugDriverOptions {
  /** Told, line by line, which requests stop at a breakpoint and go on. Left out: nobody is. */
  readonly print?: (line: string) => void;
}

export interface BlkdebugOptions extends LimitOptions {
  readonly image: unknown;
  /** Name of a file of rules. */
  readonly config?: string;
  readonly 'inject-error'?: unknown;
  readonly 'set-state'?: unknown;
}

const PREFIX = 'blkdebug:';

export function blkdebugDriver({ print = () => undefined }: BlkdebugDriverOptions = {}): BlockDriver {
  return defineDriver<BlkdebugOptions>({
    name: 'blkdebug',
    role: 'protocol',
    options: {
      config: { type: 'string' },
      align: { type: 'size' },
      'max-transfer': { type: 'size' },
      'opt-write-zero': { type: 'size' },
      'max-write-zero': { type: 'size' },
      'opt-discard': { type: 'size' },
      'max-discard': { type: 'size' },
      'inject-error': { type: 'any' },
      'set-state': { type: 'any' },
    },
    children: { image: 'required' },
    schemes: ['blkdebug'],

    /** `blkdebug:CONFIG:IMAGE`, where the name of the file of rules may be empty. */
    parseFilename(filename) {
      const names = filename.slice(PREFIX.length);
      const colon = names.indexOf(':');
      if (colon < 0) throw blkdebugError({ what: 'file-name' });
      const config = names.slice(0, colon);
      return { ...(config === '' ? {} : { config }), image: { filename: names.slice(colon + 1) } };
    },

    open: async (options, context) => (await import('./open.js')).openBlkdebug(options, context, print),
  });
}

/** The driver that tells nobody what stops. */
export const blkdebug = blkdebugDriver();
