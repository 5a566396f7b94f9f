/** The machine's state: asked for, stopped, let go on. */
import { QmpError } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { lacksKey } from '../passwords.js';

export const runState: CommandGroup = {
  'query-status': (_args, { server }) => server.machine.info,

  stop: (_args, { server }) => {
    server.machine.stop();
  },

  cont: async (_args, { server }) => {
    for (const backend of server.graph.backends.values()) {
      const node = backend.edge?.node;
      if (node !== undefined && (await lacksKey(node))) {
        throw new QmpError('DeviceEncrypted', `'${backend.name}' (${node.filename}) is encrypted`);
      }
    }
    server.machine.resume();
  },
};
