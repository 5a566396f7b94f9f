/** An image that was opened to be checked, and for nothing else: its tables may be damaged, so its content is not to be had. */
import {
  BlockError, NO_LIMITS, type CheckOptions, type CheckResult, type Completion, type DriverNode, type Edge, type ImagePolicy,
  type RecordedBacking,
} from '@blk/core-graph';
import { HeaderFile } from './header-file.js';
import type { Header } from './header.js';

export class Qcow2CheckNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly #header: HeaderFile;

  constructor(
    private readonly file: Edge,
    header: Header,
    private readonly policy: ImagePolicy,
    private readonly readOnly: boolean,
  ) {
    this.#header = new HeaderFile(file, header);
  }

  get size(): number {
    return this.#header.current.size;
  }

  get recordedBacking(): RecordedBacking | undefined {
    const { backingFile, backingFormat } = this.#header.current;
    if (backingFile === undefined || backingFile === '') return undefined;
    return backingFormat === undefined ? { filename: backingFile } : { filename: backingFile, format: backingFormat };
  }

  read(): never {
    throw new BlockError('unsupported', 'The image was opened to be checked only', { driver: 'qcow2' });
  }

  write(): never {
    return this.read();
  }

  flush(): Completion {
    return this.readOnly ? undefined : this.file.flush();
  }

  async check(options: CheckOptions): Promise<CheckResult> {
    const { checkQcow2 } = await import('./check/check.js');
    return checkQcow2({ file: this.file, header: this.#header, policy: this.policy }, options);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
