/** A raw image as a stream: the content, zeroes where nothing is. */
import type { ImageStream, StreamSource } from '@blk/core-graph';

const PIECE = 1024 * 1024;
const SECTOR = 512;

export function streamRaw({ size }: { readonly size: number }, source: StreamSource): Promise<ImageStream> {
  const length = Math.ceil(size / SECTOR) * SECTOR;
  return Promise.resolve({ length, chunks: () => chunksOf(length, source) });
}

async function* chunksOf(end: number, source: StreamSource): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(Math.min(PIECE, Math.max(SECTOR, end)));
  const zeroes = new Uint8Array(buffer.length);
  let at = 0;
  for await (const { offset, length } of source.data) {
    for (; at < offset; at += Math.min(zeroes.length, offset - at)) yield zeroes.subarray(0, Math.min(zeroes.length, offset - at));
    for (; at < offset + length; ) {
      const count = Math.min(buffer.length, offset + length - at);
      const done = source.read(at, buffer, 0, count);
      if (done !== undefined) await done;
      yield buffer.subarray(0, count);
      at += count;
    }
  }
  for (; at < end; at += Math.min(zeroes.length, end - at)) yield zeroes.subarray(0, Math.min(zeroes.length, end - at));
}
