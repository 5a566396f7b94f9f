/** An image that was opened to be checked, and for nothing else: its map may be damaged, so its content is not to be had. */
import {
  BlockError, NO_LIMITS, type CheckOptions, type CheckResult, type Completion, type DriverNode, type Edge,
} from '@blk/core-graph';
import type { BlockMap } from './block-map.js';
import { checkVdi, type CheckTarget } from './check.js';
import type { VdiHeader } from './header.js';

export class VdiCheckNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly size: number;
  readonly #target: CheckTarget;

  constructor(
    private readonly file: Edge,
    header: VdiHeader,
    map: BlockMap,
    private readonly readOnly: boolean,
  ) {
    this.size = header.size;
    this.#target = { file, header, map };
  }

  read(): never {
    throw new BlockError('unsupported', 'The image was opened to be checked only', { driver: 'vdi' });
  }

  write(): never {
    return this.read();
  }

  flush(): Completion {
    return this.readOnly ? undefined : this.file.flush();
  }

  check(options: CheckOptions): Promise<CheckResult> {
    return checkVdi(this.#target, options);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
