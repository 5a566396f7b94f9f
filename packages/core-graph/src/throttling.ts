/** Limits of I/O, as the graph's users set them. */
import { BlockError, messageOf } from './errors.js';

/** Runs what sets limits; what was wrong with them comes out as kind `invalid-argument`, in QEMU's words. */
export function checkedLimits<T>(set: () => T): T {
  try {
    return set();
  } catch (error) {
    throw new BlockError('invalid-argument', messageOf(error), {}, error);
  }
}
