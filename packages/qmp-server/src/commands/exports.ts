/** Exports in today's commands: added, withdrawn, listed. */
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { addExport } from '../exports/add-export.js';

export const blockExports: CommandGroup = {
  'block-export-add': (options, { server }) => {
    addExport(server, options);
  },

  'block-export-del': async ({ id, mode }, { server }) => {
    const entry = server.exports.entries.get(id);
    if (entry === undefined) throw genericError(`Export '${id}' is not found`);
    await server.exports.remove(entry.name, mode);
  },

  // The newest first, as QEMU lists them.
  'query-block-exports': (_args, { server }) =>
    [...server.exports.entries.values()].reverse().map(({ id, backend }) => ({
      id,
      type: 'nbd',
      'node-name': backend.edge?.node.name ?? '',
      'shutting-down': false,
    })),
};
