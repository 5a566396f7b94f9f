/** A file on another machine as a block node: it can be read, and that is all. */
import { BlockError, dataExtent, NO_LIMITS, type Completion, type DriverNode, type Extent } from '@blk/core-graph';

export interface RemoteFile {
  readonly driver: string;
  /** The name under which it was asked for. */
  readonly filename: string;
  /** Bytes. */
  readonly size: number;
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  close(): Promise<void>;
}

export class RemoteNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly filename: string;
  readonly size: number;
  readonly read: DriverNode['read'];

  constructor(private readonly file: RemoteFile) {
    this.filename = file.filename;
    this.size = file.size;
    this.read = (offset, buffer, start, length) => file.read(offset, buffer, start, length);
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
}
