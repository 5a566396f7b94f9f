/** A file on another machine as a block node: it can be read, and that is all. Programs say no more of a failed read than that it failed; why is told here. */
import { BlockError, dataExtent, messageOf, NO_LIMITS, type Completion, type DriverNode, type Extent } from '@blk/core-graph';
import { withoutPassword } from './words.js';

export interface RemoteFile {
  readonly driver: string;
  /** The name under which it was asked for. */
  readonly filename: string;
  /** Bytes. */
  readonly size: number;
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  close(): Promise<void>;
  /** Is told why reads failed: each reason once, as long as there is no other, and not without end. */
  readonly warn?: (message: string) => void;
}

/** Reasons that are told of one file. */
const MOST_TOLD = 20;

export class RemoteNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly filename: string;
  readonly size: number;
  readonly read: DriverNode['read'];
  #last = '';
  #told = 0;

  constructor(private readonly file: RemoteFile) {
    this.filename = file.filename;
    this.size = file.size;
    this.read = (offset, buffer, start, length) => this.#explained(() => file.read(offset, buffer, start, length));
  }

  /** No such protocol tells holes from data. */
  extent(offset: number, length: number): Extent {
    return dataExtent(length, offset);
  }

  allocatedSize(): number {
    throw new BlockError('unsupported', 'The server does not tell how much space a file takes', { driver: this.file.driver });
  }

  close(): Promise<void> {
    return this.file.close();
  }

  #explained(read: () => Completion): Completion {
    try {
      const done = read();
      return done?.catch((error: unknown) => { throw this.#tell(error); });
    } catch (error) {
      throw this.#tell(error);
    }
  }

  #tell(error: unknown): unknown {
    const message = messageOf(error);
    const wanted = !(error instanceof BlockError) || (error.kind !== 'closed' && error.kind !== 'aborted');
    if (wanted && message !== this.#last && this.#told < MOST_TOLD) {
      this.#last = message;
      this.#told++;
      this.file.warn?.(`warning: ${withoutPassword(this.filename)}: ${message}`);
    }
    return error;
  }
}
