// fio's NBD engine: load, and writes that are verified.
import { run } from './run.js';
import { needTool } from './tools.js';

/** One job of fio. */
export interface FioOptions {
  readonly uri: string;
  readonly rw: 'read' | 'write' | 'randread' | 'randwrite' | 'randrw';
  /** Bytes of one request. */
  readonly bs: number;
  readonly iodepth: number;
  /** Bytes of the device that are used; default all. */
  readonly size?: number;
  /** Milliseconds to go on for; without it the job ends when `size` bytes were moved. */
  readonly runtime?: number;
  /** Milliseconds of load before the measuring starts. */
  readonly ramp?: number;
  /** A checksum, such as `crc32c`: what was written is read back and compared. */
  readonly verify?: string;
  /** Seed of the random offsets. Default 1. */
  readonly seed?: number;
  /** Further options, such as `--fsync=32`. */
  readonly args?: readonly string[];
  /** Milliseconds until fio is killed. Default 120,000. */
  readonly timeout?: number;
}

/** The sum of fio's reading and writing. */
export interface FioResult {
  readonly iops: number;
  readonly bytesPerSecond: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** fio's own count; a job with errors rejects before this is seen. */
  readonly errors: number;
}

/**
 * Runs fio against an NBD server.
 * @throws Error with fio's words if it fails or what it reads back is not what it wrote.
 */
export async function fioNbd(options: FioOptions): Promise<FioResult> {
  const { uri, rw, bs, iodepth, size, runtime, ramp, verify, seed = 1, args = [], timeout = 120_000 } = options;
  const words = [
    '--name=job', '--ioengine=nbd', `--uri=${uri}`, `--rw=${rw}`, `--bs=${bs}`, `--iodepth=${iodepth}`,
    `--randseed=${seed}`, '--output-format=json',
    ...(size === undefined ? [] : [`--size=${size}`]),
    // fio takes a fraction of a second for nothing at all, so the unit is always said.
    ...(runtime === undefined ? [] : ['--time_based=1', `--runtime=${Math.round(runtime)}ms`]),
    ...(ramp === undefined ? [] : [`--ramp_time=${Math.round(ramp)}ms`]),
    ...(verify === undefined ? [] : [`--verify=${verify}`, '--verify_fatal=1', '--do_verify=1', '--verify_state_save=0']),
    ...args,
  ];
  const { code, stdout, stderr } = await run(needTool('fio'), words, { timeout });
  // A note such as "fio: …" may stand before the JSON.
  const begin = stdout.indexOf('{');
  if (code !== 0 || begin < 0) throw new Error(`fio ended with ${code}: ${stderr}${stdout.slice(0, 2_000)}`);
  const report = JSON.parse(stdout.slice(begin)) as FioReport;
  const job = report.jobs[0];
  if (job === undefined || job.error !== 0) throw new Error(`fio reports error ${job?.error}: ${stderr}`);
  return {
    iops: job.read.iops + job.write.iops,
    bytesPerSecond: job.read.bw_bytes + job.write.bw_bytes,
    readBytes: job.read.io_bytes,
    writtenBytes: job.write.io_bytes,
    errors: job.error,
  };
}

interface FioReport {
  readonly jobs: readonly { readonly error: number; readonly read: Direction; readonly write: Direction }[];
}

interface Direction {
  readonly iops: number;
  readonly bw_bytes: number;
  readonly io_bytes: number;
}
