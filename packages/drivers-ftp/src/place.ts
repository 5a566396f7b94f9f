/** Where a file is and who asks for it, by the options. Throws in the words of QEMU where it has some. */
import { BlockError, type OpenContext } from '@blk/core-graph';
import { checkUrl, decodedBytes, decodedPart, withoutPassword } from '@blk/remote';
import type { FtpOptions, Scheme } from './drivers.js';

export interface Place {
  readonly host: string;
  readonly port: number;
  /** As the server knows it; beside where one is after logging in, unless it begins with a slash. Each character is one byte, here and below. */
  readonly path: string;
  readonly username: string;
  readonly password: string;
  /** Encrypted: never, from the first byte on, or as soon as the server was asked. */
  readonly tls: 'none' | 'implicit' | 'explicit';
  readonly verify: boolean;
}

export async function placeOf(driver: Scheme, options: FtpOptions, context: Pick<OpenContext, 'secret'>): Promise<Place> {
  const text = checkUrl(driver, options);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '') throw invalid(`The URL '${withoutPassword(text)}' cannot be read`);
  const explicit = options['auth-tls'] ?? false;
  const tls = explicit ? 'explicit' : driver === 'ftps' ? 'implicit' : 'none';
  const username = options.username || decodedPart(url.username) || 'anonymous';
  const id = options['password-secret'];
  const password = id === undefined ? decodedPart(url.password) : new TextDecoder().decode(await context.secret(id));
  const place: Place = {
    host: decodedPart(url.hostname.replace(/^\[|\]$/g, '')),
    port: Number(url.port) || (tls === 'implicit' ? 990 : 21),
    path: pathOf(url, text),
    username: bytesOf(username),
    password: password === '' && username === 'anonymous' ? 'ftp@example.com' : bytesOf(password),
    tls,
    verify: options.sslverify ?? true,
  };
  // Anything else would be commands of its own.
  for (const word of [place.path, place.username, place.password]) {
    if (/[\r\n\0]/.test(word)) throw invalid('The URL, the user or the password has characters that cannot be sent');
  }
  return place;
}

/** As curl reads it: the first slash ends the host, a second one (`%2F`) begins at the root of the server. */
function pathOf(url: URL, text: string): string {
  const [path, type = 'i'] = url.pathname.slice(1).split(/;type=/i);
  if (type.toLowerCase() !== 'i') throw invalid(`An image is read byte for byte, not as type '${type}': '${withoutPassword(text)}'`);
  if (path === '' || path.endsWith('/')) throw invalid(`The URL names no file: '${withoutPassword(text)}'`);
  // They would be cut off, and another file opened.
  if (/[?#]/.test(text)) throw invalid(`In the URL, '?' and '#' of a name have to be written %3F and %23: '${withoutPassword(text)}'`);
  return decodedBytes(path);
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'ftp' });
}
