/** What blkdebug throws: about its options, and on purpose. */
import { BlockError, errnoCode, strerror, systemError } from '@blk/core-graph';

export type BlkdebugDefect =
  | { readonly what: 'file-name' }
  | { readonly what: 'config'; readonly text: string }
  | { readonly what: 'rule'; readonly text: string }
  | { readonly what: 'constraint'; readonly option: string; readonly value: number };

/** An option, or a line of the file of rules, that can't be taken. The texts are QEMU's. */
export function blkdebugError(defect: BlkdebugDefect, cause?: unknown): BlockError {
  return new BlockError('invalid-argument', describe(defect), { driver: 'blkdebug', reason: `blkdebug/${defect.what}` }, cause);
}

/** The failure that a rule asks for; `errno` is a Linux number. */
export function injectedError(errno: number): BlockError {
  const code = errnoCode(errno);
  const context = { driver: 'blkdebug', reason: 'blkdebug/injected' };
  if (!code.startsWith('E')) return new BlockError('io', `Injected error: ${strerror(code)}`, { ...context, code });
  return systemError('Injected error', { code }, context);
}

function describe(defect: BlkdebugDefect): string {
  switch (defect.what) {
    case 'file-name':
      return 'blkdebug requires both config file and image path';
    case 'config':
    case 'rule':
      return defect.text;
    case 'constraint':
      return `Cannot meet constraints with ${defect.option} ${defect.value}`;
  }
}
