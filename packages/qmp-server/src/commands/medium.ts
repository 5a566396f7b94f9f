/** Media of devices: taken out, put in, exchanged. */
import type { Backend, BlockGraph } from '@blk/core-graph';
import { QmpError } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { findDevice } from '../lookup.js';
import { lacksKey } from '../passwords.js';

export const medium: CommandGroup = {
  eject: async (args, { server }) => {
    const device = deviceOf(server.graph, args);
    await server.media.moveTrays(device, true);
    await server.media.eject(device);
  },

  change: async ({ device, target, arg }, { server }) => {
    const backend = findDevice(server.graph, device);
    await server.media.change(backend, target, { format: arg });
    if (await lacksKey(backend.root)) throw new QmpError('DeviceEncrypted', `'${device}' (${backend.root.filename}) is encrypted`);
  },

  'blockdev-open-tray': async (args, { server }) => {
    await server.media.moveTrays(deviceOf(server.graph, args), true);
  },

  'blockdev-close-tray': async (args, { server }) => {
    await server.media.moveTrays(deviceOf(server.graph, args), false);
  },

  'blockdev-remove-medium': async (args, { server }) => {
    await server.media.remove(deviceOf(server.graph, args));
  },

  'blockdev-insert-medium': (args, { server }) => {
    const device = deviceOf(server.graph, args);
    const node = server.graph.findNode(args['node-name']);
    if (node === undefined) throw genericError(`Node '${args['node-name']}' not found`);
    if (node.parents.size > 0) throw genericError(`Node '${node.name}' is already in use`);
    server.media.insert(device, node);
  },

  'blockdev-change-medium': async (args, { server }) => {
    const device = deviceOf(server.graph, args);
    await server.media.change(device, args.filename, { format: args.format, mode: args['read-only-mode'] });
  },
};

/** A device by its name, or by the id of a guest's device, which is the same here. */
function deviceOf(graph: BlockGraph, { device, id }: { readonly device?: string; readonly id?: string }): Backend {
  const name = device ?? id;
  if (name === undefined || (device !== undefined && id !== undefined)) throw genericError("Need exactly one of 'device' and 'id'");
  return findDevice(graph, name);
}
