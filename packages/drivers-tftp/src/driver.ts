/** The driver value `tftp`: its options, and the file names that mean it. The protocol is loaded when an image is opened. */
import { defineDriver } from '@blk/core-graph';
import { SETTINGS, type RemoteOptions } from '@blk/remote';

/** Options of a definition, checked for their types. */
export interface TftpOptions extends RemoteOptions {
  readonly blksize?: number;
  readonly windowsize?: number;
}

/** The driver for `tftp://` names. */
export const tftp = defineDriver<TftpOptions>({
  name: 'tftp',
  role: 'protocol',
  options: { ...SETTINGS, blksize: { type: 'uint' }, windowsize: { type: 'uint' } },
  schemes: ['tftp'],
  parseFilename: (filename) => ({ url: filename }),
  open: async (options, context) => (await import('./open.js')).openTftp(options, context),
});
