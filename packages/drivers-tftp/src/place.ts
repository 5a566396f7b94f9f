/** Where a file is, and how it is asked for, by the options. */
import { BlockError } from '@blk/core-graph';
import { checkUrl, decodedBytes, withoutPassword } from '@blk/remote';
import type { TftpOptions } from './driver.js';
import type { Wishes } from './receiver.js';

export interface Place extends Wishes {
  readonly host: string;
  readonly port: number;
  /** Each character is one byte. */
  readonly path: string;
}

/** As many bytes as fit into a packet of Ethernet. */
const DEFAULT_BLOCK = 1428;
const DEFAULT_WINDOW = 16;
/** Bounds of RFC 2348; and as many blocks as the system's buffer surely holds. */
const BLOCKS = [8, 65464] as const;
const MOST_IN_WINDOW = 64;

export function placeOf(options: TftpOptions): Place {
  const text = checkUrl('tftp', options);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '') throw invalid(`The URL '${withoutPassword(text)}' cannot be read`);
  const { blksize = DEFAULT_BLOCK, windowsize = DEFAULT_WINDOW } = options;
  const [least, most] = BLOCKS;
  if (blksize < least || blksize > most) throw invalid(`blksize=${blksize}: ${least} to ${most} are possible`);
  if (windowsize < 1 || windowsize > MOST_IN_WINDOW) throw invalid(`windowsize=${windowsize}: 1 to ${MOST_IN_WINDOW} are possible`);
  const [path, mode = 'octet'] = url.pathname.slice(1).split(/;mode=/i);
  if (mode.toLowerCase() !== 'octet') throw invalid(`An image is read byte for byte, not in mode '${mode}'`);
  const place = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || 69, path: decodedBytes(path), blksize, windowsize };
  // They would be cut off, and another file opened.
  if (/[?#]/.test(text)) throw invalid(`In the URL, '?' and '#' of a name have to be written %3F and %23: '${withoutPassword(text)}'`);
  if (place.path === '') throw invalid(`The URL names no file: '${withoutPassword(text)}'`);
  if (place.path.includes('\0') || place.path.length > LONGEST_PATH) throw invalid('The name of the file cannot be sent');
  return place;
}

/** Characters, so that the request is one packet. */
const LONGEST_PATH = 400;

function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'tftp' });
}
