/**
 * The handshake of fixed newstyle, without a socket: bytes go in, replies come out through `send`, and in the end there
 * is an outcome. Every byte is hostile: lengths are checked before anything is kept.
 */
import { BlockError, messageOf } from '@blk/core-graph';
import { HandshakeFlag, Magic, MAX_STRING, Option, OPTION_BYTES, OptionReply } from '../codec/constants.js';
import { encodeExportName, encodeOptionReply, Reader, utf8 } from '../codec/handshake.js';
import type { NbdExport } from './export.js';
import type { NbdLimits } from './limits.js';
import type { MetaContext } from './meta-context.js';
import { answerOption } from './options.js';

export type TlsMode = 'none' | 'optional' | 'required';

/** A context that the client selected, under the number that replies name it by. */
export interface SelectedContext {
  readonly id: number;
  readonly context: MetaContext;
}

export interface Agreement {
  readonly target: NbdExport;
  readonly structured: boolean;
  readonly contexts: readonly SelectedContext[];
}

/** How a handshake ended. `close` says whom to blame, or nothing where the client just left. */
export type Outcome =
  | { readonly kind: 'transmission'; readonly agreement: Agreement }
  | { readonly kind: 'tls' }
  | { readonly kind: 'close'; readonly reason: string | undefined };

/** What the handshake needs from its server. */
export interface NegotiationHost {
  readonly limits: NbdLimits;
  readonly closing: boolean;
  find(name: string): NbdExport | undefined;
  list(): readonly NbdExport[];
  send(bytes: Uint8Array): void;
}

export class Negotiation {
  /** Undefined while options are still expected. */
  outcome: Outcome | undefined;
  structured = false;
  /** Selected contexts, and the export that they were selected for. */
  contexts: { readonly target: NbdExport; readonly selected: readonly SelectedContext[] } | undefined;
  #state: 'flags' | 'header' | 'data' | 'skip' = 'flags';
  #need = 4;
  #buffer = new Uint8Array(64);
  #have = 0;
  #option = 0;
  #skipReply = 0;
  #noZeroes = false;
  #options = 0;

  constructor(
    readonly host: NegotiationHost,
    private readonly tls: TlsMode,
    private readonly secure: boolean,
  ) {}

  /** The same client's handshake behind TLS: options start anew, flags do not. */
  afterTls(): Negotiation {
    const next = new Negotiation(this.host, this.tls, true);
    next.#expect('header', OPTION_BYTES);
    next.#noZeroes = this.#noZeroes;
    next.#options = this.#options;
    return next;
  }

  /** Takes bytes `[start, end)` and gives back where it stopped: `end`, or the first byte after the outcome. */
  push(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (this.outcome === undefined && (at < end || this.#need === 0)) {
      const piece = Math.min(this.#need, end - at);
      if (this.#state !== 'skip') {
        this.#buffer.set(bytes.subarray(at, at + piece), this.#have);
        this.#have += piece;
      }
      at += piece;
      this.#need -= piece;
      if (this.#need === 0) this.#complete();
    }
    return at;
  }

  reply(type: number, data?: Uint8Array): void {
    this.host.send(encodeOptionReply(this.#option, type, data));
  }

  refuse(type: number, message: string): void {
    this.reply(type, utf8(message.slice(0, MAX_STRING / 4)));
  }

  close(reason?: string): void {
    this.outcome = { kind: 'close', reason };
  }

  /** Ends the handshake with an export, `sent` told what the client has to know about it. */
  enter(target: NbdExport): void {
    const contexts = this.contexts?.target === target ? this.contexts.selected : [];
    this.outcome = { kind: 'transmission', agreement: { target, structured: this.structured, contexts } };
  }

  #expect(state: 'header' | 'data' | 'skip', bytes: number): void {
    this.#state = state;
    this.#need = bytes;
    this.#have = 0;
    if (state === 'data' && bytes > this.#buffer.length) this.#buffer = new Uint8Array(bytes);
  }

  #complete(): void {
    const data = this.#buffer.subarray(0, this.#have);
    switch (this.#state) {
      case 'flags':
        this.#clientFlags(new Reader(data).u32());
        break;
      case 'header':
        this.#header(new Reader(data));
        break;
      case 'data':
        this.#expect('header', OPTION_BYTES);
        this.#answer(data);
        break;
      case 'skip':
        this.#expect('header', OPTION_BYTES);
        this.#refuseSkipped();
        break;
    }
  }

  #clientFlags(flags: number): void {
    const known = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes;
    if (flags > known) {
      this.close(`unknown client flags 0x${flags.toString(16)}`);
      return;
    }
    this.#noZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
    this.#expect('header', OPTION_BYTES);
  }

  #header(reader: Reader): void {
    const { limits } = this.host;
    if (reader.u32() !== Magic.OptionHigh || reader.u32() !== Magic.OptionLow) {
      this.close('bad magic of an option');
      return;
    }
    this.#option = reader.u32();
    const length = reader.u32();
    if (++this.#options > limits.maxOptions) this.close(`more than ${limits.maxOptions} options`);
    else if (length > limits.maxPayload) this.close(`an option of ${length} bytes`);
    else this.#data(length);
  }

  #data(length: number): void {
    const option = this.#option;
    const { maxOptionBytes } = this.host.limits;
    const needsTls = this.tls === 'required' && !this.secure && option !== Option.StartTls && option !== Option.Abort;
    if (option === Option.ExportName) {
      // The one option that cannot be refused with a reply.
      if (needsTls) this.close('an export asked for without TLS');
      else if (length > MAX_STRING) this.close(`an export name of ${length} bytes`);
      else this.#expect('data', length);
    } else if (needsTls) this.#skip(length, OptionReply.TlsRequired);
    else if (!KNOWN.has(option)) this.#skip(length, OptionReply.Unsupported);
    else if (length > maxOptionBytes) this.#skip(length, OptionReply.TooBig);
    else this.#expect('data', length);
  }

  #skip(length: number, reply: number): void {
    this.#skipReply = reply;
    this.#expect('skip', length);
  }

  #refuseSkipped(): void {
    const option = this.#option;
    if (this.#skipReply === OptionReply.TlsRequired) this.refuse(OptionReply.TlsRequired, `Option 0x${option.toString(16)} not permitted before TLS`);
    else if (this.#skipReply === OptionReply.TooBig) this.refuse(OptionReply.TooBig, `Option ${option} is too long`);
    else this.refuse(OptionReply.Unsupported, `Unsupported option ${option}`);
  }

  #answer(data: Uint8Array): void {
    try {
      if (this.#option === Option.ExportName) this.#exportName(new Reader(data));
      else if (this.#option === Option.StartTls) this.#startTls(data.length);
      else answerOption(this, this.#option, data);
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      if (this.#option === Option.ExportName) this.close(messageOf(error));
      else this.refuse(OptionReply.Invalid, messageOf(error));
    }
  }

  #exportName(reader: Reader): void {
    const name = reader.text(reader.left);
    const target = this.host.closing ? undefined : this.host.find(name);
    if (target === undefined) {
      this.close(`export '${name}' not present`);
      return;
    }
    this.host.send(encodeExportName(target.size, target.flags(this.structured), !this.#noZeroes));
    this.enter(target);
  }

  #startTls(length: number): void {
    if (length !== 0) this.refuse(OptionReply.Invalid, 'NBD_OPT_STARTTLS takes no data');
    else if (this.secure) this.refuse(OptionReply.Invalid, 'TLS is on already');
    else if (this.tls === 'none') this.refuse(OptionReply.Policy, 'TLS not configured');
    else {
      this.reply(OptionReply.Ack);
      this.outcome = { kind: 'tls' };
    }
  }
}

const KNOWN = new Set<number>(Object.values(Option));
