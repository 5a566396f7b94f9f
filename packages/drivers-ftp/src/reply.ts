/** Replies of a server (RFC 959, section 4.2): lines put together, and what some of them say. */
import { printable } from '@blk/remote';
import { ftpError } from './errors.js';

export interface Reply {
  /** 100 to 599. */
  readonly code: number;
  /** The first line's text. */
  readonly text: string;
}

/** Longest reply, all of its lines; characters. */
const LONGEST = 64 * 1024;

/** Makes replies out of what arrives, however it is cut. */
export class ReplyParser {
  #rest = '';
  /** The first line of a reply that has more. */
  #first: Reply | undefined;
  #length = 0;

  /** The replies that are whole now. Throws kind `io` where it is none. */
  push(text: string): Reply[] {
    const replies: Reply[] = [];
    this.#rest += text;
    for (let end = this.#rest.indexOf('\n'); end >= 0; end = this.#rest.indexOf('\n')) {
      const line = this.#rest.slice(0, end).replace(/\r$/, '');
      this.#rest = this.#rest.slice(end + 1);
      const reply = this.#take(line);
      if (reply !== undefined) replies.push(reply);
    }
    if (this.#length + this.#rest.length > LONGEST) throw ftpError('io', 'reply', `The server sends a reply of more than ${LONGEST} characters`);
    return replies;
  }

  #take(line: string): Reply | undefined {
    this.#length += line.length;
    // Behind the code comes a blank or a hyphen, or nothing at all: what begins with more digits is text.
    const match = /^([1-5]\d\d)(?:([ -])(.*))?$/.exec(line);
    if (this.#first === undefined) {
      if (match === null) throw ftpError('io', 'reply', `What the server says is no FTP: '${printable(line, 80)}'`);
      const reply = { code: Number(match[1]), text: (match[3] as string | undefined) ?? '' };
      if (match[2] !== '-') return this.#whole(reply);
      this.#first = reply;
      return undefined;
    }
    // The last line has the code of the first, and no hyphen; all others may be anything.
    return match !== null && Number(match[1]) === this.#first.code && match[2] !== '-' ? this.#whole(this.#first) : undefined;
  }

  #whole(reply: Reply): Reply {
    this.#first = undefined;
    this.#length = 0;
    return reply;
  }
}

/** The port in a reply to EPSV (RFC 2428): `(|||port|)` with any delimiter. */
export function parseEpsv({ text }: Reply): number | undefined {
  return portOf(/\((.)\1\1(\d{1,5})\1\)/.exec(text)?.[2]);
}

/** The port in a reply to PASV. Its address is not believed: data comes from where commands go to. */
export function parsePasv({ text }: Reply): number | undefined {
  const match = /(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})/.exec(text);
  if (match === null || match.slice(1).some((part) => Number(part) > 255)) return undefined;
  return portOf(String(Number(match[5]) * 256 + Number(match[6])));
}

/** Bytes, in a reply to SIZE (RFC 3659). */
export function parseSize({ text }: Reply): number | undefined {
  return /^\d{1,15}$/.test(text.trim()) ? Number(text.trim()) : undefined;
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}
