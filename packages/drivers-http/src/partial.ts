/** Answers that are to hold a part of a file: nothing is believed that does not fit together. */
import { printable } from '@blk/remote';
import { parseContentRange, parseLength, type ContentRange } from './content-range.js';
import { brokenAnswer } from './errors.js';
import type { HttpResponse } from './transport.js';

/** The range of a 206 to a request for `[start, end)`. It begins there, and may end earlier. */
export function checkPartial(response: HttpResponse, start: number, end: number): ContentRange {
  checkPlain(response);
  const header = response.header('content-range');
  const range = parseContentRange(header);
  if (range === undefined) throw brokenAnswer('content-range', contentRangeText(header));
  if (range.start !== start || range.end > end) {
    throw brokenAnswer('wrong-range', `The server sent bytes ${range.start}-${range.end - 1} instead of ${start}-${end - 1}`);
  }
  const length = parseLength(response.header('content-length'));
  if (length !== undefined && length !== range.end - range.start) {
    throw brokenAnswer('length', `The server sends ${length} bytes and calls them ${range.start}-${range.end - 1}`);
  }
  return range;
}

/** Nobody asked for a packed body, whose bytes are not those of the file. */
export function checkPlain(response: HttpResponse): void {
  const encoding = response.header('content-encoding');
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw brokenAnswer('encoding', `The server sent the file packed, which it had not been asked for (Content-Encoding: ${printable(encoding, 80)})`);
  }
}

/** Puts the body of a part of `length` bytes into `buffer`; `progress` is told of every piece. Throws where it is longer or shorter. */
export async function readPart(
  response: HttpResponse,
  buffer: Uint8Array,
  start: number,
  length: number,
  progress: (bytes: number) => void,
): Promise<void> {
  let at = 0;
  const take = (chunk: Uint8Array): void => {
    if (chunk.length > length - at) throw brokenAnswer('long', `The server sent more than the ${length} bytes that it had announced`);
    const there = chunk.buffer === buffer.buffer && chunk.byteOffset === buffer.byteOffset + start + at;
    if (!there) buffer.set(chunk, start + at);
    at += chunk.length;
    progress(chunk.length);
  };
  await response.body(take, () => buffer.subarray(start + at, start + length));
  if (at < length) throw brokenAnswer('short', `The server sent ${at} of ${length} bytes`);
}

function contentRangeText(header: string | undefined): string {
  return header === undefined
    ? 'The server sent a part of the file without saying which (no Content-Range; a page of another origin sees it only where the server exposes it)'
    : `The server sent a part of the file without saying which (Content-Range: ${printable(header, 80)})`;
}
