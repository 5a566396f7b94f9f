/** The driver value of `blob`: bytes that the program already has, or can have from a Blob. */
import { BlockError, defineDriver, type DriverNode } from '@blk/core-graph';
import { BlobNode } from './blob-node.js';
import { MemoryNode } from './memory-node.js';
import { MemorySource } from './memory-source.js';

/** What an image can be read from: a Blob or File, bytes, or a growing array of them. */
export type BlobSource = Blob | ArrayBuffer | SharedArrayBuffer | ArrayBufferView | MemorySource;

interface BlobOptions {
  readonly source: unknown;
  readonly writable?: boolean;
}

export interface BlobSourceOptions {
  /** Let writes into a byte array; they change it in place. A Blob cannot be written. */
  readonly writable?: boolean;
}

/** Reads a Blob; reads and writes byte arrays. */
export const blob = defineDriver<BlobOptions>({
  name: 'blob',
  role: 'protocol',
  options: { source: { type: 'any', required: true }, writable: { type: 'bool' } },

  async open({ source, writable }, context): Promise<DriverNode> {
    if (source instanceof MemorySource) return new MemoryNode(source, !context.readOnly && writable !== false);
    if (source instanceof Blob) {
      if (writable === true) throw blobError('read-only', 'read-only', 'A Blob cannot be written');
      return new BlobNode(source);
    }
    const bytes = bytesOf(source);
    if (bytes !== undefined) return new MemoryNode(new MemorySource({ content: bytes, inPlace: true }), !context.readOnly && writable === true);
    throw blobError(
      'invalid-argument',
      'source',
      `Invalid parameter type for 'source', expected: Blob, ArrayBuffer, typed array or MemorySource`,
    );
  },
});

/** The definition of a node over `source`, to open as it is or as the `file` of a format. */
export function blobSource(source: BlobSource, options: BlobSourceOptions = {}): { driver: 'blob'; source: BlobSource; writable?: boolean } {
  return { driver: 'blob', source, ...(options.writable === undefined ? {} : { writable: options.writable }) };
}

function bytesOf(source: unknown): Uint8Array | undefined {
  if (source instanceof Uint8Array) return source;
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof SharedArrayBuffer !== 'undefined' && source instanceof SharedArrayBuffer) return new Uint8Array(source);
  return undefined;
}

function blobError(kind: 'read-only' | 'invalid-argument', defect: string, message: string): BlockError {
  return new BlockError(kind, message, { driver: 'blob', reason: `blob/${defect}` });
}
