/** cloop images, version 2: a script, the size and number of the blocks, their offsets, and the blocks as zlib streams. */
import { deflateSync } from 'node:zlib';

export interface CloopOptions {
  /** Bytes; 64 KiB unless given. */
  readonly blockSize?: number;
  /** The script; at most 128 bytes. */
  readonly preamble?: string;
  /** 0 to 9. */
  readonly level?: number;
}

const PREAMBLE = '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n';
const HEAD_BYTES = 136;

/** The last block is filled up with zeroes. */
export function cloopImage(content: Uint8Array, { blockSize = 65536, preamble = PREAMBLE, level = 6 }: CloopOptions = {}): Uint8Array {
  const count = Math.ceil(content.length / blockSize);
  const blocks: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    const block = new Uint8Array(blockSize);
    block.set(content.subarray(index * blockSize, (index + 1) * blockSize));
    blocks.push(deflateSync(block, { level }));
  }
  const head = Buffer.alloc(HEAD_BYTES + 8 * (count + 1));
  head.write(preamble, 0, 128, 'latin1');
  head.writeUInt32BE(blockSize, 128);
  head.writeUInt32BE(count, 132);
  let offset = head.length;
  for (const [index, block] of blocks.entries()) {
    head.writeBigUInt64BE(BigInt(offset), HEAD_BYTES + 8 * index);
    offset += block.length;
  }
  head.writeBigUInt64BE(BigInt(offset), HEAD_BYTES + 8 * count);
  return new Uint8Array(Buffer.concat([head, ...blocks]));
}
