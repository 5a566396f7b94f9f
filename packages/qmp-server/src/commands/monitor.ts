/** The monitor itself: negotiation, and the end. */
import type { CommandGroup } from '../dispatch.js';

export const monitor: CommandGroup = {
  qmp_capabilities: ({ enable = [] }, context) => {
    context.monitor?.negotiate(enable);
  },

  quit: (_args, { server }) => {
    server.requestClose();
  },
};
