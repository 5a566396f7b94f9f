// Block jobs and queries over QMP, each side's storage daemon doing the same.
import { rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { qemuImg, qmpClient, start, waitForSocket, type QmpClient } from '@blk/oracle';
import type { Lab, Run } from '../lab.js';
import { formatOf } from '../sources.js';
import type { Job, Side } from '../workload.js';

const QUERIES = 1000;

/** Seconds from the command to the event that says that the content is copied; or of a thousand queries, one after the other. */
export async function jobRun(lab: Lab, { job, source }: Job): Promise<Run> {
  const file = await lab.sources.get(source);
  const format = formatOf(source);
  const target = (side: Side): string => join(lab.dir, `${side}-target.qcow2`);
  const overlay = (side: Side): string => join(lab.dir, `${side}-overlay.qcow2`);

  const create = async (path: string, ...backing: readonly string[]): Promise<void> => {
    rmSync(path, { force: true });
    const size = backing.length === 0 ? [String(await sizeOf(file))] : [];
    const { code, stderr } = await qemuImg('create', '-q', '-f', 'qcow2', ...backing.flatMap((name) => ['-b', name, '-F', 'qcow2']), path, ...size);
    if (code !== 0) throw new Error(`cannot make a target: ${stderr}`);
  };

  const jobs: Record<Job['job'], (qmp: QmpClient, side: Side) => Promise<number>> = {
    backup: async (qmp, side) => {
      await create(target(side));
      await add(qmp, 'disk', file, format, true);
      await add(qmp, 'target', target(side), 'qcow2');
      return seconds(qmp, 'BLOCK_JOB_COMPLETED', 'blockdev-backup', { 'job-id': 'job', device: 'disk', target: 'target', sync: 'full' });
    },
    mirror: async (qmp, side) => {
      await create(target(side));
      await add(qmp, 'disk', file, format, true);
      await add(qmp, 'target', target(side), 'qcow2');
      const time = await seconds(qmp, 'BLOCK_JOB_READY', 'blockdev-mirror', { 'job-id': 'job', device: 'disk', target: 'target', sync: 'full' });
      await qmp.execute('block-job-cancel', { device: 'job' });
      await qmp.event('BLOCK_JOB_COMPLETED');
      return time;
    },
    stream: async (qmp, side) => {
      await create(overlay(side), file);
      await add(qmp, 'disk', overlay(side), 'qcow2');
      return seconds(qmp, 'BLOCK_JOB_COMPLETED', 'block-stream', { 'job-id': 'job', device: 'disk' });
    },
    commit: async (qmp, side) => {
      // Three images: the base that is to get the content, the one that has it, and the active one.
      await create(target(side));
      const middle = await lab.sources.copy(source, `${side}-middle.qcow2`);
      const { code, stderr } = await qemuImg('rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', target(side), middle);
      if (code !== 0) throw new Error(`cannot make a chain: ${stderr}`);
      await create(overlay(side), middle);
      await add(qmp, 'disk', overlay(side), 'qcow2');
      return seconds(qmp, 'BLOCK_JOB_COMPLETED', 'block-commit', { 'job-id': 'job', device: 'disk', top: middle, base: target(side) });
    },
    query: async (qmp) => {
      for (let index = 0; index < 8; index++) await add(qmp, `disk${index}`, file, format, true);
      for (let warm = 0; warm < 100; warm++) await qmp.execute('query-named-block-nodes', { flat: true });
      const began = performance.now();
      for (let round = 0; round < QUERIES; round++) await qmp.execute('query-named-block-nodes', { flat: true });
      return (performance.now() - began) / 1000;
    },
  };

  return {
    measure: (side) => withDaemon(lab, side, (qmp) => jobs[job](qmp, side)),
    warmUp: true,
    repeat: 1,
    statistic: job === 'query' ? 'median' : 'min',
    verify: async (side) => {
      if (job === 'query') return;
      const result = job === 'stream' ? overlay(side) : target(side);
      const { code, stdout, stderr } = await qemuImg('compare', '-f', format, '-F', 'qcow2', file, result);
      if (code !== 0) throw new Error(`what the job of ${side} made differs: ${stdout}${stderr}`);
    },
    [Symbol.asyncDispose]: () => {
      for (const side of ['ours', 'reference'] as const) {
        for (const path of [target(side), overlay(side), join(lab.dir, `${side}-middle.qcow2`)]) rmSync(path, { force: true });
      }
      return Promise.resolve();
    },
  };
}

async function withDaemon<T>(lab: Lab, side: Side, work: (qmp: QmpClient) => Promise<T>): Promise<T> {
  const path = join(lab.dir, `${side}-qmp.sock`);
  rmSync(path, { force: true });
  const [program, ...words] = lab.programs[side].daemon;
  await using server = await start(program, [...words, '--chardev', `socket,id=qmp,path=${path},server=on,wait=off`, '--monitor', 'chardev=qmp'], { lifetime: 600_000 });
  server.process.stdout.resume();
  await waitForSocket(path, server);
  const socket = createConnection(path);
  try {
    return await work(await qmpClient(socket, socket));
  } finally {
    socket.destroy();
  }
}

async function add(qmp: QmpClient, name: string, filename: string, driver: string, readOnly = false): Promise<void> {
  await qmp.execute('blockdev-add', { driver, 'node-name': name, 'read-only': readOnly, file: { driver: 'file', filename } });
}

async function seconds(qmp: QmpClient, end: string, command: string, words: Record<string, unknown>): Promise<number> {
  const began = performance.now();
  await qmp.execute(command, words);
  const { data } = await qmp.event(end);
  if (data?.['error'] !== undefined) throw new Error(`${command}: ${JSON.stringify(data)}`);
  return (performance.now() - began) / 1000;
}

async function sizeOf(file: string): Promise<number> {
  const { stdout } = await qemuImg('info', '--output=json', file);
  return (JSON.parse(stdout) as { 'virtual-size': number })['virtual-size'];
}
