/** What a conversion is asked for. */
import { BlockError, type OpenOptions } from '@blk/core-graph';
import type { AnySource } from '../open.js';
import type { Progress } from '../pause.js';
import type { WantedSnapshot } from '../snapshot.js';
import type { BitmapCopy } from './bitmaps.js';
import type { Lost } from './salvage.js';

export type CacheSetting = NonNullable<OpenOptions['cache']>;

export interface ConvertRequest {
  /** Several are put one behind the other. */
  readonly sources: readonly AnySource[];
  readonly sourceFormat?: string;
  readonly sourceCache?: CacheSetting;
  readonly forceShare?: boolean;
  /** The source's content is that of one of its snapshots. */
  readonly snapshot?: WantedSnapshot;
  /** The persistent bitmaps of the source are copied as well. */
  readonly bitmaps?: BitmapCopy;
  /** A file name; with `noCreate` any source. */
  readonly target: AnySource;
  /** Default raw; with `noCreate` and a definition as target, what that says. */
  readonly format?: string;
  /** The format's options of creation. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** The target becomes an overlay of this image, whose content is that of the source's backing file. */
  readonly backing?: string;
  readonly backingFormat?: string;
  /** Default: unsafe, the target is flushed by nobody. */
  readonly targetCache?: CacheSetting;
  readonly writeThrough?: boolean;
  readonly compress?: boolean;
  /** Shortest run of zeroes, in bytes, that is left out of the target; 0: none is. Default 4096. */
  readonly sparse?: number;
  readonly noCreate?: boolean;
  /** With `noCreate`: the target reads as zeroes from end to end. */
  readonly targetIsZero?: boolean;
  /** Sectors that can't be read become zeroes, and are told of; without it they are an error. */
  readonly salvage?: Lost;
  readonly outOfOrder?: boolean;
  /** Most requests under way, 1 to 16. Default 8. */
  readonly parallel?: number;
  /** Bytes a second. */
  readonly rateLimit?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** A backing file among the format's options is one like any other: what the target does not hold is read from it. */
export function withBacking(request: ConvertRequest): ConvertRequest {
  const { options = {}, noCreate = false } = request;
  const text = (key: string): string | undefined => (typeof options[key] === 'string' && options[key] !== '' ? options[key] : undefined);
  const backing = request.backing ?? (noCreate ? undefined : text('backing_file'));
  if (backing === undefined) return request;
  const backingFormat = request.backingFormat ?? text('backing_fmt');
  if (backingFormat === undefined && !noCreate) {
    throw new BlockError('invalid-argument', 'Use of backing file requires explicit backing format');
  }
  return { ...request, backing, ...(backingFormat === undefined ? {} : { backingFormat }) };
}
