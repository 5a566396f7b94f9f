/** Commands that add, remove and change devices. */
import { BlockError, messageOf } from '@blk/core-graph';
import { parseOptions, type QmpCommandName, type QmpCommands } from '@blk/qapi-types';
import { addBlockdev } from '../blockdev.js';
import { addDrive } from '../daemon/drive.js';
import type { CommandContext } from '../dispatch.js';
import { commitNow } from './commit-now.js';
import { PlainError, type HumanCommand } from './command.js';

/** Runs the command of QMP that does the same. */
async function qmp<N extends QmpCommandName>(context: CommandContext, name: N, args: QmpCommands[N]['arguments']): Promise<string> {
  await context.server.dispatcher.within(name, args, context);
  return '';
}

export const deviceCommands: readonly HumanCommand[] = [
  {
    name: 'drive_add',
    takes: [{ flag: 'n' }, { name: 'place', kind: 'string' }, { name: 'options', kind: 'string' }],
    help: ['[-n] [[<domain>:]<bus>:]<slot>\n[file=file][,if=type][,bus=n]\n[,unit=m][,media=d][,index=i]\n[,snapshot=on|off][,cache=on|off]\n[,readonly=on|off][,copy-on-read=on|off]', 'add drive to PCI storage controller'],
    run: async ({ flags, options }, { server }) => {
      try {
        if (flags.has('n')) await addBlockdev(server.graph, parseOptions('BlockdevOptions', options, 'driver'));
        else await addDrive(server.graph, options, server.drives++);
      } catch (error) {
        throw new PlainError(messageOf(error).replace(/^Device with id ('.*') already exists$/, 'Duplicate ID $1 for drive'));
      }
      return flags.has('n') ? '' : 'OK\n';
    },
  },
  {
    name: 'drive_del',
    takes: [{ name: 'id', kind: 'device' }],
    help: ['device', 'remove host block device'],
    run: async ({ id }, context) => {
      const { server } = context;
      const device = server.graph.backends.get(id);
      if (device !== undefined) {
        if (device.edge !== undefined) server.graph.checkFree(device.root);
        await server.exports.withdraw(device);
        await device.close();
        return '';
      }
      const node = server.graph.findNode(id);
      if (node === undefined || !server.graph.isOwned(node)) throw new PlainError(`Device '${id}' not found`);
      return qmp(context, 'blockdev-del', { 'node-name': id });
    },
  },
  {
    name: 'commit',
    takes: [{ name: 'device', kind: 'device' }],
    help: ['device|all', "commit changes to the disk images (if -snapshot is used) or backing files"],
    run: async ({ device: name }, { server: { graph } }) => {
      const all = [...graph.backends.values()].filter(({ edge }) => edge?.node.backing !== undefined && !edge.node.readOnly);
      const device = graph.backends.get(name);
      if (name !== 'all' && device === undefined) throw new PlainError(`Device '${name}' not found`);
      for (const each of name === 'all' ? all : [device]) {
        try {
          if (each !== undefined) await commitNow(graph, each.name, each.root);
        } catch (error) {
          throw error instanceof BlockError ? new PlainError(`'commit' error for '${each?.name ?? ''}': ${messageOf(error)}`) : error;
        }
      }
      return '';
    },
  },
  {
    name: 'block_resize',
    takes: [{ name: 'device', kind: 'device' }, { name: 'size', kind: 'size' }],
    help: ['device size', 'resize a block image'],
    run: ({ device, size }, context) => qmp(context, 'block_resize', { device, size: Number(size) }),
  },
  {
    name: 'snapshot_blkdev',
    takes: [{ flag: 'n' }, { name: 'device', kind: 'device' }, { name: 'file', kind: 'string', optional: true }, { name: 'format', kind: 'string', optional: true }],
    help: ['[-n] device [new-image-file] [format]', "initiates a live snapshot\n\t\t\tof device. If a new image file is specified, the\n\t\t\tnew image file will become the new root image.\n\t\t\tIf format is specified, the snapshot file will\n\t\t\tbe created in that format.\n\t\t\tThe default format is qcow2.  The -n flag requests QEMU\n\t\t\tto reuse the image found in new-image-file, instead of\n\t\t\trecreating it from scratch."],
    run: async ({ flags, device, file, format }, context) => {
      if (file === undefined) throw new Error("Parameter 'snapshot-file' is missing");
      return qmp(context, 'blockdev-snapshot-sync', {
        device,
        'snapshot-file': file,
        ...(format === undefined ? {} : { format }),
        mode: flags.has('n') ? 'existing' : 'absolute-paths',
      });
    },
  },
  {
    name: 'snapshot_blkdev_internal',
    takes: [{ name: 'device', kind: 'device' }, { name: 'name', kind: 'string' }],
    help: ['device name', 'take an internal snapshot of device.\n\t\t\tThe format of the image used by device must\n\t\t\tsupport it, such as qcow2.\n\t\t\t'],
    run: ({ device, name }, context) => qmp(context, 'blockdev-snapshot-internal-sync', { device, name }),
  },
  {
    name: 'snapshot_delete_blkdev_internal',
    takes: [{ name: 'device', kind: 'device' }, { name: 'name', kind: 'string' }, { name: 'id', kind: 'string', optional: true }],
    help: ['device name [id]', 'delete an internal snapshot of device.\n\t\t\tIf id is specified, qemu will try delete\n\t\t\tthe snapshot matching both id and name.\n\t\t\tThe format of the image used by device must\n\t\t\tsupport it, such as qcow2.\n\t\t\t'],
    run: ({ device, name, id }, context) => qmp(context, 'blockdev-snapshot-delete-internal-sync', { device, name, ...(id === undefined ? {} : { id }) }),
  },
  {
    name: 'eject',
    takes: [{ flag: 'f' }, { name: 'device', kind: 'device' }],
    help: ['[-f] device', 'eject a removable medium (use -f to force it)'],
    run: ({ flags, device }, context) => qmp(context, 'eject', { device, force: flags.has('f') }),
  },
  {
    name: 'change',
    takes: [{ name: 'device', kind: 'device' }, { flag: 'f' }, { name: 'target', kind: 'filename' }, { name: 'format', kind: 'string', optional: true }, { name: 'mode', kind: 'string', optional: true }],
    help: ['device [-f] filename [format [read-only-mode]]', 'change a removable medium, optional format, use -f to force the operation'],
    run: async ({ device, target, format, mode = 'retain' }, context) => {
      if (mode !== 'retain' && mode !== 'read-only' && mode !== 'read-write') {
        throw new Error(`Parameter 'read-only-mode' does not accept value '${mode}'`);
      }
      return qmp(context, 'blockdev-change-medium', { device, filename: target, ...(format === undefined ? {} : { format }), 'read-only-mode': mode });
    },
  },
  {
    name: 'stop',
    aliases: ['s'],
    takes: [],
    help: ['', 'stop emulation'],
    run: (_args, context) => qmp(context, 'stop', {}),
  },
  {
    name: 'cont',
    aliases: ['c'],
    takes: [],
    help: ['', 'resume emulation'],
    run: (_args, context) => qmp(context, 'cont', {}),
  },
  {
    name: 'quit',
    aliases: ['q'],
    takes: [],
    help: ['', 'quit the emulator'],
    run: (_args, context) => qmp(context, 'quit', {}),
  },
];
