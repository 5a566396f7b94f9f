/** An image that was opened to be checked, and for nothing else: its tables may be damaged, so its content is not to be had. */
import { BlockError, NO_LIMITS, type CheckOptions, type CheckResult, type Completion, type DriverNode, type Edge, type RecordedBacking } from '@blk/core-graph';

export interface CheckOnly {
  readonly driver: string;
  readonly file: Edge;
  readonly size: number;
  readonly readOnly: boolean;
  readonly check: (options: CheckOptions) => Promise<CheckResult>;
  /** Its files have to be there as well, as in the reference. */
  readonly recordedBacking?: RecordedBacking | undefined;
}

export class CheckOnlyNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly size: number;

  constructor(private readonly image: CheckOnly) {
    this.size = image.size;
  }

  get recordedBacking(): RecordedBacking | undefined {
    return this.image.recordedBacking;
  }

  read(): never {
    throw new BlockError('unsupported', 'The image was opened to be checked only', { driver: this.image.driver });
  }

  write(): never {
    return this.read();
  }

  flush(): Completion {
    return this.image.readOnly ? undefined : this.image.file.flush();
  }

  check(options: CheckOptions): Promise<CheckResult> {
    return this.image.check(options);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The check of an image that is in use: what it has in memory is written first, and nothing is repaired. */
export async function checkInUse(flush: () => Completion, check: CheckOnly['check'], options: CheckOptions, driver: string): Promise<CheckResult> {
  if (options.repair !== 'none') throw new BlockError('unsupported', 'The image has to be opened to be checked, and for nothing else', { driver });
  const done = flush();
  if (done !== undefined) await done;
  return check(options);
}
