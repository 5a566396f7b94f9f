/** `info …`: what is shown about devices, jobs, and the machine. */
import type { BlockStats, QmpCommandName, QmpCommands } from '@blk/qapi-types';
import type { CommandContext } from '../dispatch.js';
import { VERSION } from '../version.js';
import type { HumanCommand } from './command.js';
import { deviceLines, nodeLines } from './info-block.js';

export const infoCommands: readonly HumanCommand[] = [
  {
    name: 'block',
    takes: [{ flag: 'n' }, { flag: 'v' }, { name: 'device', kind: 'device', optional: true }],
    help: ['[-n] [-v] [device]', 'show info of one block device or all block devices (-n: show named nodes; -v: show details)'],
    run: async ({ flags, device }, context) => {
      const verbose = flags.has('v');
      const parts: string[] = [];
      if (!flags.has('n')) {
        for (const info of await ask(context, 'query-block')) {
          if (device === undefined || info.device === device) parts.push(deviceLines(info, verbose));
        }
      }
      // A device that there is none of may be a node.
      if (flags.has('n') || (device !== undefined && parts.length === 0)) {
        for (const node of await ask(context, 'query-named-block-nodes')) {
          if (device === undefined || node['node-name'] === device) parts.push(nodeLines(node, verbose));
        }
      }
      return parts.join('\n');
    },
  },
  {
    name: 'blockstats',
    takes: [],
    help: ['', 'show block device statistics'],
    run: async (_args, context) => (await ask(context, 'query-blockstats')).map(statsLine).join(''),
  },
  {
    name: 'block-jobs',
    takes: [],
    help: ['', 'show progress of ongoing block device operations'],
    run: async (_args, context) => {
      const jobs = context.server.dispatcher.has('query-block-jobs') ? await ask(context, 'query-block-jobs') : [];
      if (jobs.length === 0) return 'No active jobs\n';
      return jobs
        .map((job) => {
          const what = job.type === 'stream' ? 'Streaming device' : `Type ${job.type}, device`;
          return `${what} ${job.device}: Completed ${job.offset} of ${job.len} bytes, speed limit ${job.speed} bytes/s\n`;
        })
        .join('');
    },
  },
  {
    name: 'status',
    takes: [],
    help: ['', 'show the current VM status (running|paused)'],
    run: async (_args, { server }) => {
      const { running, status } = server.machine.info;
      const why = running || status === 'paused' ? '' : ` (${status})`;
      return `VM status: ${running ? 'running' : 'paused'}${why}\n`;
    },
  },
  {
    name: 'version',
    takes: [],
    help: ['', 'show the version of QEMU'],
    run: async () => `${VERSION.qemu.major}.${VERSION.qemu.minor}.${VERSION.qemu.micro}${VERSION.package}\n`,
  },
];

function statsLine({ device, stats }: BlockStats): string {
  const counters = [
    'rd_bytes', 'wr_bytes', 'rd_operations', 'wr_operations', 'flush_operations',
    'wr_total_time_ns', 'rd_total_time_ns', 'flush_total_time_ns', 'rd_merged', 'wr_merged',
  ] as const;
  return `${device ?? ''}:${counters.map((name) => ` ${name}=${String(stats[name])}`).join('')}\n`;
}

/** What the command of QMP says. */
function ask<N extends QmpCommandName>({ server, monitor }: CommandContext, name: N): Promise<QmpCommands[N]['returns']> {
  return server.dispatcher.within(name, {}, { server, monitor });
}
