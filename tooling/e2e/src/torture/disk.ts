// The disk under test over QMP: its chain of images, and the jobs that run on it.
import { qemuImg, type Prng } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import type { QmpConnection } from '../qmp-connection.js';
import { faultyOverlay } from './faults.js';

export const DEVICE = 'drive';
/** Deepest chain. */
const DEEPEST = 8;
/** What jobs do at an error; to ignore one is to lose what it was about. */
const POLICIES = ['report', 'stop', 'enospc'] as const;
/** Refusals that are right while a job runs. */
const BUSY = /in use|busy|blocked|conflict|frozen|cannot accept command verb|being cancelled|no active block job|not found|cannot find device|is not a backing image|in the backing chain|not in this backing file chain/i;
/** Refusals that are right where files fail as well. */
const FAILED = /currently paused|IO error|input\/output error|no space left/i;

interface ImageInfo {
  readonly filename: string;
  readonly 'backing-image'?: ImageInfo;
}

export class Disk {
  /** Commands done, and refused as busy. */
  done = 0;
  refused = 0;
  /** Every command and how it went, for whoever looks into a failure. */
  readonly log: string[] = [];
  #next = 0;
  /** Formats of the images, by file; qcow2 where there is none. */
  readonly #formats = new Map<string, string>();

  /** `faulty`: overlays lie on files that fail, the base as well, and jobs are told what to do then. Files and nodes have the same names. */
  constructor(
    readonly qmp: QmpConnection,
    readonly dir: (name: string) => string,
    readonly random: Prng,
    readonly faulty?: { readonly base: string; readonly format: string; readonly size: number },
  ) {
    if (faulty !== undefined) this.#formats.set(faulty.base, faulty.format);
  }

  file(kind: string): string {
    return this.dir(`${kind}-${this.#next++}.qcow2`);
  }

  /** The files of the chain, the active one first. */
  async chain(): Promise<string[]> {
    const devices = (await this.qmp.execute('query-block')) as { device: string; inserted?: { image: ImageInfo } }[];
    const files: string[] = [];
    for (let at = devices.find(({ device }) => device === DEVICE)?.inserted?.image; at !== undefined; at = at['backing-image']) files.push(plainName(at.filename));
    return files;
  }

  /** Whether the server took the command; throws for a refusal that is none of a busy disk. */
  async attempt(command: string, args: Record<string, unknown>): Promise<boolean> {
    try {
      await this.qmp.execute(command, args);
      this.done++;
      this.log.push(`${command} ${JSON.stringify(args)}`);
      return true;
    } catch (error) {
      if (!(error instanceof Error) || !(BUSY.test(error.message) || (this.faulty !== undefined && FAILED.test(error.message)))) throw new Error(`${command} ${JSON.stringify(args)}: ${String(error)}`);
      this.refused++;
      this.log.push(`${command} ${JSON.stringify(args)}: ${error.message}`);
      return false;
    }
  }

  async snapshot(): Promise<void> {
    const [active, ...below] = await this.chain();
    if (below.length + 1 >= DEEPEST) return;
    if (this.faulty !== undefined) {
      await this.#faultySnapshot(active, this.faulty.size);
      return;
    }
    await this.attempt('blockdev-snapshot-sync', { device: DEVICE, 'snapshot-file': this.file('overlay'), format: 'qcow2' });
  }

  async #faultySnapshot(active: string, size: number): Promise<void> {
    const overlay = this.file('overlay');
    const definition = await faultyOverlay(overlay, { file: active, format: this.#formats.get(active) ?? 'qcow2', size }, this.random);
    // Errors hit the opening of images as well.
    if (!(await this.attempt('blockdev-add', { ...definition, 'node-name': nodeOf(overlay) }))) return;
    if (!(await this.attempt('blockdev-snapshot', { node: nodeOf(active), overlay: nodeOf(overlay) }))) {
      await this.qmp.execute('blockdev-del', { 'node-name': nodeOf(overlay) });
    }
  }

  /** Starts one of the jobs that keep what the guest sees; false: refused, or there is nothing to do. */
  async startJob(id: string): Promise<boolean> {
    const { random } = this;
    const chain = await this.chain();
    const speed = random.pick([0, 0, 8_000_000]);
    const kind = random.below(3);
    if (this.faulty !== undefined) return this.#startFaultyJob(id, kind, chain, speed);
    if (kind === 0) {
      const base = chain.length > 1 && random.below(2) === 0 ? { base: chain[1 + random.below(chain.length - 1)] } : {};
      return this.attempt('block-stream', { 'job-id': id, device: DEVICE, speed, ...base });
    }
    if (kind === 1 && chain.length > 2) {
      const top = 1 + random.below(chain.length - 2);
      const base = top + 1 + random.below(chain.length - top - 1);
      return this.attempt('block-commit', { 'job-id': id, device: DEVICE, top: chain[top], base: chain[base], speed });
    }
    if (kind === 2 && chain.length > 1) {
      const base = chain[1 + random.below(chain.length - 1)];
      return this.attempt('block-commit', { 'job-id': id, device: DEVICE, top: chain[0], base, speed });
    }
    return this.attempt('drive-mirror', { 'job-id': id, device: DEVICE, target: this.file('mirror'), format: 'qcow2', sync: 'full', speed, granularity: random.pick([4096, 65536]) });
  }

  /** The same by names of nodes, since a file that fails has no plain name; and what it is called in images is said. */
  #startFaultyJob(id: string, kind: number, chain: readonly string[], speed: number): Promise<boolean> {
    const { random } = this;
    const job = { 'job-id': id, device: DEVICE, speed };
    const below = chain.length > 1 ? 1 + random.below(chain.length - 1) : 0;
    const backing = { 'backing-file': chain[below] };
    if (kind === 0) {
      const base = below > 0 && random.below(2) === 0 ? { 'base-node': nodeOf(chain[below]), ...backing } : {};
      return this.attempt('block-stream', { ...job, ...base, 'on-error': random.pick(POLICIES) });
    }
    if (kind === 1 && below > 0) {
      const top = random.below(below);
      const names = { 'top-node': nodeOf(chain[top]), 'base-node': nodeOf(chain[below]), ...(top > 0 ? backing : {}) };
      return this.attempt('block-commit', { ...job, ...names, 'on-error': random.pick(POLICIES) });
    }
    const target = this.file('mirror');
    return this.attempt('drive-mirror', {
      ...job, target, 'node-name': nodeOf(target), format: 'qcow2', sync: 'full',
      'on-source-error': random.pick(POLICIES), 'on-target-error': random.pick(POLICIES),
    });
  }

  /** Disturbs the job as people do. */
  async disturb(id: string, ready: boolean): Promise<void> {
    const { random } = this;
    const kind = ready && random.below(2) === 0 ? 2 : random.below(8);
    if (kind === 0) {
      if (await this.attempt('block-job-pause', { device: id })) await this.attempt('block-job-resume', { device: id });
    } else if (kind === 1) await this.attempt('block-job-set-speed', { device: id, speed: random.pick([0, 500_000, 5_000_000]) });
    else if (kind === 2) await this.attempt('block-job-complete', { device: id });
    else if (kind === 3 && random.below(3) === 0) await this.attempt('block-job-cancel', { device: id, ...(random.below(2) === 0 ? { force: true } : {}) });
    else if (kind === 4) await this.qmp.execute('query-block-jobs');
    else if (kind === 5) {
      const limit = random.pick([0, 2000, 20_000]);
      await this.qmp.execute('block_set_io_throttle', { device: DEVICE, bps: 0, bps_rd: 0, bps_wr: 0, iops: limit, iops_rd: 0, iops_wr: 0 });
    } else if (kind === 6) {
      const said = await this.qmp.execute('human-monitor-command', { 'command-line': `qemu-io ${DEVICE} "read ${random.below(1024) * 512} 4k"` });
      if (said !== '') throw new Error(`qemu-io: ${String(said)}`);
    }
    else await this.qmp.execute('query-blockstats');
  }

  /** Jobs that are there now. */
  async jobs(): Promise<{ device: string; ready?: boolean; type: string }[]> {
    return (await this.qmp.execute('query-block-jobs')) as { device: string; ready?: boolean; type: string }[];
  }

  /** Lets all jobs come to their end. */
  async finishJobs(): Promise<void> {
    for (let jobs = await this.jobs(); jobs.length > 0; jobs = await this.jobs()) {
      for (const { device, ready } of jobs) {
        await this.attempt('block-job-set-speed', { device, speed: 0 });
        // One that an error stopped.
        if (this.faulty !== undefined) await this.attempt('block-job-resume', { device });
        if (ready === true) await this.attempt('block-job-complete', { device });
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** The name of the node that holds an image. */
export const nodeOf = (file: string): string => `node-${/([^/]*?)(?:\.qcow2)?$/.exec(file)?.[1]}`;

/** The file at the bottom of a name that tells more than that. */
const plainName = (filename: string): string => /"filename":\s*"([^"]*)"/.exec(filename)?.[1] ?? filename.replace(/^blkdebug::/, '');

/** What `qemu-img check` says of an image that only has space which nothing refers to. */
const LEAKS_ONLY = 3;

/**
 * Throws where the reference finds something wrong with an image, or other bytes in it than `expected`. `failed`: requests failed on
 * the way, which may leave space that nothing refers to, and no more than that.
 */
export async function examine(file: string, expected: Uint8Array | undefined, failed = false): Promise<void> {
  const check = await qemuImg('check', '-f', 'qcow2', file);
  if (check.code !== 0 && !(failed && check.code === LEAKS_ONLY)) throw new Error(`${file}: ${check.stdout}${check.stderr}`);
  if (expected === undefined) return;
  writeFileSync(`${file}.expected`, expected);
  const { code, stdout, stderr } = await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', file, `${file}.expected`);
  if (code !== 0) throw new Error(`${file}: ${stdout}${stderr}`);
}

