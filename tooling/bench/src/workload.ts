// What a workload is: data. The files of workloads/ hold them, lab.ts knows how to run each kind.

/** The two that are compared. */
export type Side = 'ours' | 'reference';

/** A file that workloads start from, or a directory of them. Sources are never written; a workload that writes gets copies. */
export type Source = 'full.raw' | 'full.qcow2' | 'sparse.raw' | 'sparse.qcow2' | 'fragmented.raw' | 'text.raw' | 'long-text.raw' | 'long-text.qcow2'
  | 'long-text-zstd.qcow2' | 'long.raw' | 'long.qcow2' | 'full.luks' | `long.${PlainFormat}` | 'short.bochs' | 'small-files.dir' | `long-text.${PackedFormat}`;

/** Formats of which only reading is measured: those that hold the disk as it is, and those that compress it. */
export const PLAIN_FORMATS = ['vdi', 'vpc', 'vhdx', 'parallels', 'qed', 'qcow', 'vmdk'] as const;
export const PACKED_FORMATS = ['vmdk', 'cloop', 'dmg'] as const;
type PlainFormat = (typeof PLAIN_FORMATS)[number];
type PackedFormat = (typeof PACKED_FORMATS)[number];

interface Common {
  /** Unique; what the filter on the command line looks in. */
  readonly id: string;
  readonly title: string;
  /** The row of the table of goals, if it is in it. */
  readonly row?: number;
  /** First bar and goal, as a ratio (or in MiB for memory). */
  readonly bar?: number;
  readonly goal?: number;
  /** What it is compared with, for the table. */
  readonly peer: string;
}

/** fio against a server: requests a second. Ratio: ours to the peer's, the more the better. */
export interface NbdLoad extends Common {
  readonly kind: 'nbd-load';
  readonly source: Source;
  readonly rw: 'read' | 'write' | 'randread' | 'randwrite';
  readonly bs: number;
  readonly depth: number;
}

/** nbdcopy of an export to nowhere: seconds. Ratio: the peer's time to ours, the more the better. */
export interface NbdCopy extends Common {
  readonly kind: 'nbd-copy';
  readonly source: Source;
}

/** qemu-img bench and our counterpart: seconds for `count` requests. Ratio: the peer's time to ours. */
export interface ImageBench extends Common {
  readonly kind: 'image-bench';
  readonly source: Source;
  /** Options of qemu-img bench, which ours takes as well. */
  readonly words: string;
  /** Where ours is not asked the same way. */
  readonly ourWords?: string;
}

/** A command of qemu-io, as it times itself: MiB a second. Ratio: ours to the peer's, the more the better. */
export interface ImageIo extends Common {
  readonly kind: 'image-io';
  readonly source: Source;
  /** The command reads or writes. */
  readonly command: string;
}

/** convert: seconds. Ratio: the peer's time to ours, the more the better. */
export interface Convert extends Common {
  readonly kind: 'convert';
  readonly source: Source;
  /** Format of the target. */
  readonly to: 'raw' | 'qcow2';
  /** Further options of convert. */
  readonly words: string;
  /**
   * `existing`: onto a file that is there, with -n; medians are compared.
   * `new`: the file is removed first; new files are bimodal on virtual machines, so minima are compared.
   */
  readonly target: 'existing' | 'new';
  /** The source is read from a server: nginx, or the reference's qemu-nbd. The same one serves both sides. */
  readonly over?: 'http' | 'nbd';
  /** Further options of the reference's convert alone. */
  readonly peerWords?: string;
}

/** Converting what lies in several copies, and in the slower of them alone, both by ours: seconds. Ratio: with all to with one, the less the better. */
export interface Redundancy extends Common {
  readonly kind: 'redundancy';
  readonly source: Source;
  /** The slower copy comes from the reference's qemu-nbd; the others are files. */
  readonly driver: 'blkverify' | 'quorum';
}

/** A command that is over at once: milliseconds from start to end. Ratio: our time to the peer's, the less the better. */
export interface StartUp extends Common {
  readonly kind: 'start-up';
  /** Words of qemu-img; `{source}` and `{target}` stand for files. */
  readonly words: string;
  readonly source: Source;
}

/** Resident memory in MiB. Judged by our own figure, not by the ratio; the less the better. */
export interface Memory extends Common {
  readonly kind: 'memory';
  readonly what: 'nbd-idle' | 'daemon-idle' | 'nbd-loaded' | 'convert-peak';
  readonly source: Source;
}

/** A block job by a storage daemon, over QMP: seconds. Ratio: the peer's time to ours, the more the better. */
export interface Job extends Common {
  readonly kind: 'job';
  readonly source: Source;
  readonly job: 'backup' | 'mirror' | 'stream' | 'commit' | 'query';
}

/** A row of the benchmark. */
export type Workload = NbdLoad | NbdCopy | ImageBench | ImageIo | Convert | StartUp | Memory | Job | Redundancy;

/** How a kind's figures are read. */
export interface Reading {
  readonly unit: string;
  /** What a ratio says: speed is better when it is more, cost when it is less; size is judged by our own figure. */
  readonly means: 'speed' | 'cost' | 'size';
  /** Ours to peer, or peer to ours. */
  readonly ratio: (ours: number, peer: number) => number;
}

const direct = (ours: number, peer: number): number => ours / peer;
const inverse = (ours: number, peer: number): number => peer / ours;

/** How each kind is read. */
export const readings: Record<Workload['kind'], Reading> = {
  'nbd-load': { unit: 'IOPS', means: 'speed', ratio: direct },
  'nbd-copy': { unit: 's', means: 'speed', ratio: inverse },
  'image-bench': { unit: 's', means: 'speed', ratio: inverse },
  'image-io': { unit: 'MiB/s', means: 'speed', ratio: direct },
  convert: { unit: 's', means: 'speed', ratio: inverse },
  redundancy: { unit: 's', means: 'cost', ratio: direct },
  job: { unit: 's', means: 'speed', ratio: inverse },
  'start-up': { unit: 'ms', means: 'cost', ratio: direct },
  memory: { unit: 'MiB', means: 'size', ratio: direct },
};
