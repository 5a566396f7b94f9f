/**
 * What becomes of each packet of a transfer: pure, so that every order in which a network brings them can be tried. Blocks come in windows
 * (RFC 7440); what is missing is asked for by acknowledging what came before it.
 */
import type { BlockError } from '@blk/core-graph';
import { printable } from '@blk/remote';
import { refusal, tftpError } from './errors.js';
import type { Packet } from './packet.js';

/** What a transfer asks for. */
export interface Wishes {
  /** Bytes of a block (RFC 2348). */
  readonly blksize: number;
  /** Blocks between two acknowledgements. */
  readonly windowsize: number;
}

/** What is to be done about a packet. */
export type Step =
  /** Nothing: it was there before, or comes too early. */
  | { readonly what: 'wait' }
  /** Bytes in order, to be kept; they are acknowledged then where `block` is there, and it was the last where `last` says so. */
  | { readonly what: 'take'; readonly data: Uint8Array; readonly block: number | undefined; readonly last: boolean }
  /** Say again what came last. */
  | { readonly what: 'repeat'; readonly block: number }
  /** The options are agreed on. */
  | { readonly what: 'agreed'; readonly size: number | undefined }
  | { readonly what: 'fail'; readonly error: BlockError; /** To be told to the server. */ readonly code?: number };

const WAIT: Step = { what: 'wait' };
/** Without options. */
const PLAIN: Wishes = { blksize: 512, windowsize: 1 };

export class Receiver {
  /** Blocks that came, not reduced to 16 bits. */
  #blocks = 0;
  #inWindow = 0;
  #agreed: Wishes | undefined;
  /** The gap that was told of already. */
  #toldAt = -1;

  constructor(private readonly wishes: Wishes) {}

  /** The block to acknowledge when nothing comes for a while; undefined: the request has to be made again. */
  get reached(): number | undefined {
    return this.#agreed === undefined ? undefined : this.#blocks & 0xffff;
  }

  receive(packet: Packet): Step {
    if (packet.kind === 'error') return { what: 'fail', error: refusal(packet.code, packet.text) };
    if (packet.kind === 'options') return this.#agree(packet.options);
    // A server that knows no options begins at once.
    this.#agreed ??= PLAIN;
    const { blksize, windowsize } = this.#agreed;
    const { data, block } = packet;
    // How far behind the next block it is: half of all numbers count as earlier ones.
    const ahead = (block - (this.#blocks + 1)) & 0xffff;
    if (ahead !== 0) return this.#outOfOrder(ahead);
    if (data.length > blksize) return fail('long-block', `The server sent a block of ${data.length} bytes where ${blksize} were agreed on`, 4);
    this.#blocks++;
    this.#inWindow++;
    const last = data.length < blksize;
    const full = last || this.#inWindow >= windowsize;
    if (full) this.#inWindow = 0;
    return { what: 'take', data, block: full ? this.#blocks & 0xffff : undefined, last };
  }

  /** After a silence everything is new: what is missing may be told of again. */
  forgetGap(): void {
    this.#toldAt = -1;
    this.#inWindow = 0;
  }

  #outOfOrder(ahead: number): Step {
    const earlier = ahead >= 0x8000;
    // The last block again: its acknowledgement was lost. Older ones are only late.
    if (earlier && ahead !== 0xffff) return WAIT;
    if (this.#toldAt === this.#blocks) return WAIT;
    this.#toldAt = this.#blocks;
    this.#inWindow = 0;
    return { what: 'repeat', block: this.#blocks & 0xffff };
  }

  #agree(options: ReadonlyMap<string, string>): Step {
    // Again: the acknowledgement was lost.
    if (this.#agreed !== undefined) return this.#blocks === 0 ? { what: 'repeat', block: 0 } : WAIT;
    const { blksize, windowsize } = this.wishes;
    for (const name of options.keys()) {
      if (name !== 'blksize' && name !== 'windowsize' && name !== 'tsize') return fail('option', `The server grants what nobody asked for: '${printable(name, 40)}'`, 8);
    }
    const block = numberOf(options.get('blksize'), PLAIN.blksize, 8, blksize);
    const window = numberOf(options.get('windowsize'), PLAIN.windowsize, 1, windowsize);
    const size = numberOf(options.get('tsize'), -1, 0, Number.MAX_SAFE_INTEGER);
    if (block === undefined || window === undefined || size === undefined) {
      return fail('option', `The server grants more than it was asked for: ${printable([...options].map((pair) => pair.join('=')).join(', '), 100)}`, 8);
    }
    this.#agreed = { blksize: block, windowsize: window };
    return { what: 'agreed', size: size < 0 ? undefined : size };
  }
}

function fail(reason: string, message: string, code: number): Step {
  return { what: 'fail', error: tftpError('unsupported', reason, message), code };
}

/** Undefined where the text is no number from `least` to `most`. */
function numberOf(text: string | undefined, otherwise: number, least: number, most: number): number | undefined {
  if (text === undefined) return otherwise;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return number >= least && number <= most ? number : undefined;
}
