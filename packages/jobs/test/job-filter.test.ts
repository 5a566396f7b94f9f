/** The node that shows where a job is at work: put over a disk in use and taken away again, with nobody's bytes or rights changed. */
import { Backend, Edge, Permission } from '@blk/core-graph';
import { expectSameBytes } from '@blk/driver-conformance';
import { tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { startActiveCommit, startBackup, startCommit, startMirror, startStream, type Job } from '../src/index.js';
import { guest, inventory, makeChain, MiB, type Chain } from './chains.js';
import { rig, until } from './support.js';

const SIZES = [MiB, MiB, MiB];

interface Start {
  readonly kind: string;
  readonly driver: string;
  /** Place of the image in the chain that the filter lies over. */
  readonly over: number;
  readonly start: (chain: Chain, target: string, filterName: string) => Promise<Job>;
}

async function onTarget(chain: Chain, target: string, start: (node: Awaited<ReturnType<Chain['rig']['graph']['open']>>) => Promise<Job>): Promise<Job> {
  const node = await chain.rig.graph.open(target, { format: 'qcow2', discard: true });
  try {
    return await start(node);
  } finally {
    await chain.rig.graph.release(node);
  }
}

const kinds: readonly Start[] = [
  {
    kind: 'mirror', driver: 'mirror_top', over: 2,
    start: (chain, target, filterName) =>
      onTarget(chain, target, (node) => startMirror(chain.rig.jobs, { id: 'j', source: chain.image(2), target: node, sync: 'full', filterName })),
  },
  {
    kind: 'backup', driver: 'copy-before-write', over: 2,
    start: (chain, target, filterName) =>
      onTarget(chain, target, (node) => startBackup(chain.rig.jobs, { id: 'j', source: chain.image(2), target: node, sync: 'full', filterName })),
  },
  { kind: 'active commit', driver: 'mirror_top', over: 2, start: (chain, _, filterName) => startActiveCommit(chain.rig.jobs, chain.image(2), { id: 'j', base: chain.image(0), filterName }) },
  { kind: 'commit', driver: 'commit_top', over: 1, start: (chain, _, filterName) => startCommit(chain.rig.jobs, chain.image(2), { id: 'j', top: chain.image(1), base: chain.image(0), filterName }) },
  { kind: 'stream', driver: 'copy-on-read', over: 2, start: (chain, _, filterName) => startStream(chain.rig.jobs, chain.image(2), { id: 'j', filterName }) },
];

async function setUp(dir: TempDir, seed: number): Promise<Chain> {
  const chain = await makeChain(rig(), dir, SIZES, seed);
  await chain.rig.graph.create(dir.file('t.qcow2'), { format: 'qcow2', size: MiB });
  return chain;
}

/** Lets the job end well, completed where that has to be asked for. */
async function end(job: Job): Promise<void> {
  await until(() => job.isReady || job.status === 'null');
  if (job.isReady) await job.complete();
  await job.done;
}

describe('a filter with a name, put there by a job', () => {
  it.each(kinds)('$kind: under a guest that writes, to a good end', async ({ driver, over, start }) => {
    using dir = tempDir();
    const chain = await setUp(dir, 11);
    const { graph } = chain.rig;
    let stop = false;
    const writing = guest(chain, () => stop);
    const job = await start(chain, dir.file('t.qcow2'), 'F');
    const filter = graph.node('F');
    expect([filter.driverName, filter.storage?.node, filter.size, filter.readOnly]).toEqual([driver, chain.image(over), MiB, chain.image(over).readOnly]);
    expect([...filter.parents].map((edge) => edge.parent.description)).toContain(`${job.type} job 'j'`);
    if (over === 2) expect(chain.device.root).toBe(filter);
    expect(() => { chain.rig.jobs.checkFree(filter); }).toThrow(`Node 'F' is busy: block device is in use by block job: ${job.type}`);
    await end(job);
    stop = true;
    await writing;
    expect([filter.closed, graph.findNode('F')]).toEqual([true, undefined]);
    await chain.check();
    await chain.close();
    expect([...graph.nodes]).toEqual([]);
  });

  it.each(kinds)('$kind: called off, all is as it was', async ({ start }) => {
    using dir = tempDir();
    const chain = await setUp(dir, 12);
    const before = inventory(chain.rig);
    const job = await start(chain, dir.file('t.qcow2'), 'F');
    job.cancel({ force: true });
    await job.done.catch(() => undefined);
    expect(inventory(chain.rig)).toEqual(before);
    await chain.check();
    await chain.close();
  });

  it.each(kinds)('$kind: a name that is taken, or none, changes nothing', async ({ driver, start }) => {
    using dir = tempDir();
    const chain = await setUp(dir, 13);
    const before = inventory(chain.rig);
    const prefix = driver.startsWith('copy') ? 'Could not create node: ' : '';
    const file = await chain.rig.graph.open({ driver: 'file', filename: dir.file('t.qcow2'), 'node-name': 'taken', 'read-only': true });
    await expect(start(chain, dir.file('t.qcow2'), 'taken')).rejects.toThrow(new RegExp(`^${prefix}Duplicate nodes with node-name='taken'$`));
    await expect(start(chain, dir.file('t.qcow2'), '0')).rejects.toThrow(new RegExp(`^${prefix}Invalid node-name: '0'$`));
    await expect(start(chain, dir.file('t.qcow2'), 'drive0')).rejects.toThrow(new RegExp(`^${prefix}node-name=drive0 is conflicting with a device id$`));
    await chain.rig.graph.release(file);
    expect(inventory(chain.rig)).toEqual(before);
    // The names are free again.
    const job = await start(chain, dir.file('t.qcow2'), 'taken');
    await end(job);
    await chain.check();
    await chain.close();
  });

  it('users that come while the job runs go where the others go', async () => {
    using dir = tempDir();
    const chain = await setUp(dir, 14);
    const { graph } = chain.rig;
    const job = await kinds[0].start(chain, dir.file('t.qcow2'), 'F');
    const onFilter = Backend.over(graph, graph.node('F'), { writable: false });
    const onSource = Backend.over(graph, chain.image(2), { writable: false });
    await chain.device.close();
    expect(graph.findNode('F')?.closed).toBe(false);
    await end(job);
    expect(onFilter.root.filename).toBe(dir.file('t.qcow2'));
    expect(onSource.root).toBe(onFilter.root);
    await onFilter.close();
    await onSource.close();
    await chain.close();
  });

  it('a device whose medium goes while the job runs leaves the job its filter', async () => {
    using dir = tempDir();
    const chain = await setUp(dir, 15);
    const job = await kinds[1].start(chain, dir.file('t.qcow2'), 'F');
    await chain.device.close();
    expect(chain.rig.graph.findNode('F')).toBeDefined();
    await end(job);
    await chain.close();
    expect([...chain.rig.graph.nodes]).toEqual([]);
  });

  it('stays with its users where they do not go with those of the image below', async () => {
    using dir = tempDir();
    const warnings: string[] = [];
    const chain = await setUp(dir, 16);
    const { graph } = chain.rig;
    graph.host.warn = (message) => { warnings.push(message); };
    const job = await kinds[1].start(chain, dir.file('t.qcow2'), 'F');
    await chain.device.close();
    const strict = Backend.over(graph, graph.node('F'), { writable: false, shared: Permission.ConsistentRead });
    // Writes what changes nothing, which the filter bears and its user does not.
    const filling = new Edge({ description: 'somebody' }, 'root', 'root', chain.image(2), { permissions: Permission.WriteUnchanged, shared: Permission.All });
    chain.image(2).parents.add(filling);
    await end(job);
    expect(warnings).toEqual([expect.stringMatching(/^Node 'F' stays: Permission conflict on node /)]);
    expect(strict.root).toBe(graph.node('F'));
    const bytes = new Uint8Array(chain.model.length);
    await strict.read(0, bytes, 0, bytes.length);
    expectSameBytes(bytes, chain.model, 'through the filter that stays');
    await strict.close();
    expect(graph.findNode('F')).toBeUndefined();
    filling.node.parents.delete(filling);
    await graph.collect(filling.node);
    await chain.close();
    expect([...graph.nodes]).toEqual([]);
  });
});
