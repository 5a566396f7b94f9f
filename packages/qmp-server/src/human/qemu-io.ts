/** `qemu-io`: the disk exerciser on a device or node that is in use. */
import { readFile } from 'node:fs/promises';
import { Backend, type BlockGraph } from '@blk/core-graph';
import { IoSession, type IoProgram } from '@blk/image';
import type { BlkServer } from '../server.js';
import { genericError } from '../errors.js';
import { PlainError, type HumanCommand } from './command.js';

export const qemuIo: HumanCommand = {
  name: 'qemu-io',
  takes: [{ flag: 'd' }, { name: 'device', kind: 'device' }, { name: 'command', kind: 'string' }],
  help: ['[-d] [device] "[command]"', 'run a qemu-io command on a block device\n\t\t\t-d: [device] is a device ID rather than a drive ID or node name'],
  run: async ({ device, command }, { server }) => {
    const { graph } = server;
    const known = graph.backends.get(device);
    if (known !== undefined && known.edge === undefined) {
      server.print('read failed: No medium found\n');
      return '';
    }
    const image = exerciser(graph, device);
    const session = new IoSession(program(server), image);
    try {
      await session.run(command);
    } finally {
      // Requests that were only started tell their end when they are done; nobody waits for them here.
      void session.drain().then(() => image.detach());
    }
    return '';
  },
};

/**
 * A user of its own: errors go to whoever gave the command, and a device that its policy stopped answers. Counters and limits are
 * those of the device.
 */
function exerciser(graph: BlockGraph, name: string): Backend {
  const device = graph.backends.get(name);
  const node = device?.root ?? graph.findNode(name);
  if (node === undefined) throw genericError(`Cannot find device='' nor node-name='${name}'`);
  const writable = device === undefined ? !node.readOnly : !device.readOnly;
  const options = { description: 'qemu-io', writable, ...(device === undefined ? {} : { beside: device, writeThrough: device.writeThrough }) };
  try {
    return Backend.over(graph, node, options);
  } catch (error) {
    // Others may bear a reader.
    if (!writable) throw error;
    return Backend.over(graph, node, { ...options, writable: false });
  }
}

function program(server: BlkServer): IoProgram {
  return {
    name: 'qemu-io',
    oneImage: true,
    out: server.print,
    err: server.print,
    now: () => performance.now() / 1000,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    readFile: (path) => readFile(path),
    raise: () => Promise.reject(new PlainError('signals are not raised here')),
  };
}
