/** Counters of one node, and the latency-aware ones of a backend; the terms of the schema's `BlockDeviceStats`. */

export class NodeStatistics {
  /** The offset after the greatest byte written, in bytes. */
  highestWrite = 0;
}

export type Operation = 'read' | 'write' | 'flush';

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
}
