/** The counters of a backend, in the terms of the schema's `BlockDeviceStats`. */

import type { Operation } from './error-policy.js';

/** Accounting of the requests of one device. Bytes and nanoseconds. */
export class DeviceStatistics {
  readBytes = 0;
  writeBytes = 0;
  readOperations = 0;
  writeOperations = 0;
  flushOperations = 0;
  readTime = 0;
  writeTime = 0;
  flushTime = 0;
  readMerged = 0;
  writeMerged = 0;
  failedReads = 0;
  failedWrites = 0;
  failedFlushes = 0;
  /** Requests that were refused before anything was done. */
  invalidReads = 0;
  invalidWrites = 0;

  /** Counts a request that succeeded: `length` bytes in `time` nanoseconds. */
  succeeded(operation: Operation, length: number, time: number): void {
    switch (operation) {
      case 'read':
        this.readOperations++;
        this.readBytes += length;
        this.readTime += time;
        break;
      case 'write':
        this.writeOperations++;
        this.writeBytes += length;
        this.writeTime += time;
        break;
      case 'flush':
        this.flushOperations++;
        this.flushTime += time;
    }
  }

  failed(operation: Operation): void {
    if (operation === 'read') this.failedReads++;
    else if (operation === 'write') this.failedWrites++;
    else this.failedFlushes++;
  }

  invalid(operation: 'read' | 'write'): void {
    if (operation === 'read') this.invalidReads++;
    else this.invalidWrites++;
  }
}
