/** The driver value of `throttle`: a filter whose requests wait as the limits of a group say. */
import { BlockError, defineDriver, type OpenContext } from '@blk/core-graph';
import type { ThrottleGroup } from '@blk/throttle';
import { ThrottleNode } from './node.js';

interface ThrottleOptions {
  readonly file: unknown;
  /** Name of the group. */
  readonly 'throttle-group'?: string;
}

/** Limits what goes through it, together with all that share its group. The group has to be there: nobody makes it by naming it. */
export const throttle = defineDriver<ThrottleOptions>({
  name: 'throttle',
  role: 'filter',
  options: { 'throttle-group': { type: 'string' } },
  children: { file: 'required' },

  async open(options, context) {
    const file = await context.child('file', options.file, 'filtered');
    return new ThrottleNode(file, context.throttling, groupOf(options['throttle-group'], context));
  },
});

/** Throws in QEMU's words. */
function groupOf(name: string | undefined, { throttling }: OpenContext): ThrottleGroup {
  if (name === undefined) throw new BlockError('invalid-argument', 'Please specify a throttle group', { driver: 'throttle', reason: 'throttle/no-group' });
  const group = throttling.made(name);
  if (group !== undefined) return group;
  throw new BlockError('not-found', `Throttle group '${name}' does not exist`, { driver: 'throttle', reason: 'throttle/no-such-group' });
}
