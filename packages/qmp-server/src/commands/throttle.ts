/** Limits of I/O. */
import { validateCommandArguments } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { deviceNotFound, genericError } from '../errors.js';
import { limitsOf } from '../throttle-limits.js';

export const throttle: CommandGroup = {
  block_set_io_throttle: {
    // Today's `id` stands in the place of 2.4's `device`.
    read: (args) => validateCommandArguments('block_set_io_throttle', withDevice(args)),
    run: ({ device, id: _id, group, ...given }, { server: { graph } }) => {
      const backend = graph.backends.get(device);
      if (backend === undefined) throw deviceNotFound(device);
      if (backend.edge === undefined) throw genericError(`Device '${device}' has no medium`);
      backend.setThrottle(limitsOf(given), group);
    },
  },
};

function withDevice(args: unknown): unknown {
  if (typeof args !== 'object' || args === null) return args;
  const { id, device } = args as { readonly id?: unknown; readonly device?: unknown };
  if (id !== undefined && device !== undefined) throw genericError("Need exactly one of 'device' and 'id'");
  return id === undefined ? args : { ...args, device: id };
}
