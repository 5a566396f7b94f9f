/** The client's handshake: greeting, TLS, structured replies, metadata contexts, and the export; or what there is to choose from. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';
import { printable } from '@blk/remote';
import { HandshakeFlag, Info, Magic, MAX_STRING, Option, OptionReply, OPTION_REPLY_BYTES, TransmissionFlag } from '../codec/constants.js';
import { encodeOption, Reader, utf8, Writer } from '../codec/handshake.js';
import { encodeInfoRequest, encodeMetaContextRequest, parseInfo, parseMetaContext, parseServer, type ExportInfo } from '../codec/option-replies.js';
import type { Channel } from './channel.js';
import type { ClientTls } from './tls.js';

/** What an export turned out to be once the handshake is over. */
export interface Negotiated extends ExportInfo {
  readonly structured: boolean;
  /** Ids of the contexts that the server has of those asked for, by name. */
  readonly contexts: ReadonlyMap<string, number>;
}

/** An export as a listing shows it. */
export interface ListedExport extends ExportInfo {
  readonly name: string;
  /** Names of all metadata contexts. */
  readonly contexts: readonly string[];
}

/** Longest reply to an option, and most replies to one: more than any honest server sends. */
const MAX_REPLY = 64 * 1024;
const MAX_REPLIES = 65536;
/** Bytes of zeroes behind old answers. */
const ZEROES = 124;

export class Negotiator {
  /** Understands options beyond `NBD_OPT_EXPORT_NAME`. */
  #fixed = false;
  #noZeroes = false;
  #old: ExportInfo | undefined;

  constructor(private readonly channel: Channel) {}

  /** Reads the greeting, and encrypts where credentials are there. */
  async greet(tls: ClientTls | undefined): Promise<void> {
    const head = new Reader(await this.channel.take(16));
    if (head.u32() !== Magic.InitHigh || head.u32() !== Magic.InitLow) throw protocol('Server is not an NBD server: bad magic');
    const [high, low] = [head.u32(), head.u32()];
    if (high === OLD_HIGH && low === OLD_LOW) await this.#oldStyle(tls);
    else if (high === Magic.OptionHigh && low === Magic.OptionLow) await this.#newStyle(tls);
    else throw protocol('Bad server magic received');
  }

  /** Enters the transmission phase with an export. */
  async enter(name: string, contexts: readonly string[]): Promise<Negotiated> {
    if (this.#old !== undefined) {
      if (name !== '') throw new BlockError('not-found', `Server does not support non-empty export names`);
      return { ...this.#old, structured: false, contexts: NO_CONTEXTS };
    }
    if (!this.#fixed) return { ...(await this.#exportName(name)), structured: false, contexts: NO_CONTEXTS };
    const structured = await this.#askStructured();
    const selected = structured && contexts.length > 0 ? await this.#select(name, contexts) : NO_CONTEXTS;
    const info = (await this.#info(Option.Go, name, [Info.BlockSize])) ?? (await this.#exportName(name));
    return { ...info, structured, contexts: selected };
  }

  /** Everything about every export. The connection is of no further use. */
  async list(): Promise<ListedExport[]> {
    if (this.#old !== undefined) return [{ name: '', contexts: [], ...this.#old }];
    if (!this.#fixed) throw new BlockError('unsupported', 'Server does not support export lists');
    const structured = await this.#askStructured();
    const exports: { readonly name: string; readonly description: string }[] = [];
    const refusal = await this.#option(Option.List, EMPTY, (type, data) => {
      if (type === OptionReply.Server) exports.push(parseServer(data));
    });
    // Then there is nothing to be chosen by name.
    if (refusal?.type === OptionReply.Unsupported) return [];
    if (refusal !== undefined) throw refused(refusal, Option.List);
    const listed: ListedExport[] = [];
    for (const { name, description } of exports) {
      const info = await this.#info(Option.Info, name, [Info.Name, Info.Description, Info.BlockSize]);
      // A server without NBD_OPT_INFO tells only the names.
      const contexts = structured && info !== undefined ? await this.#listContexts(name) : [];
      listed.push({ size: -1, flags: 0, ...(description === '' ? {} : { description }), ...info, name, contexts });
    }
    this.channel.write(encodeOption(Option.Abort));
    return listed;
  }

  async #oldStyle(tls: ClientTls | undefined): Promise<void> {
    if (tls !== undefined) throw new BlockError('unsupported', 'Server does not support STARTTLS');
    const reader = new Reader(await this.channel.take(8 + 4 + ZEROES));
    const size = reader.u64();
    const flags = reader.u32();
    // The upper half are flags of the handshake, of which old servers have none.
    this.#old = { size, flags: flags & 0xffff };
  }

  async #newStyle(tls: ClientTls | undefined): Promise<void> {
    const flags = new Reader(await this.channel.take(2)).u16();
    this.#fixed = (flags & HandshakeFlag.FixedNewstyle) !== 0;
    this.#noZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
    const answer = (this.#fixed ? HandshakeFlag.FixedNewstyle : 0) | (this.#noZeroes ? HandshakeFlag.NoZeroes : 0);
    this.channel.write(new Writer(4).u32(answer).bytes);
    if (tls === undefined) return;
    if (!this.#fixed) throw new BlockError('unsupported', 'Server does not support STARTTLS');
    const refusal = await this.#option(Option.StartTls, EMPTY, () => undefined);
    if (refusal !== undefined) throw refused(refusal, Option.StartTls);
    await this.channel.startTls(tls);
  }

  async #exportName(name: string): Promise<ExportInfo> {
    this.channel.write(encodeOption(Option.ExportName, utf8(name)));
    let bytes: Uint8Array;
    try {
      bytes = await this.channel.take(10);
    } catch (error) {
      // The only way to say no that this option has.
      throw new BlockError('not-found', `Export '${name}' not present, or the server ended the connection`, {}, error);
    }
    const reader = new Reader(bytes);
    const info = { size: reader.u64(), flags: reader.u16() };
    if (!this.#noZeroes) await this.channel.take(ZEROES);
    return info;
  }

  async #askStructured(): Promise<boolean> {
    const refusal = await this.#option(Option.StructuredReply, EMPTY, () => undefined);
    return refusal === undefined;
  }

  async #select(name: string, queries: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const selected = new Map<string, number>();
    const refusal = await this.#option(Option.SetMetaContext, encodeMetaContextRequest(name, queries), (type, data) => {
      if (type !== OptionReply.MetaContext) return;
      const { id, name: context } = parseMetaContext(data);
      if (!queries.includes(context)) throw protocol(`Server selected the context '${context}', which nobody asked for`);
      selected.set(context, id);
    });
    // That the export is not there is said better by what follows.
    return refusal === undefined ? selected : NO_CONTEXTS;
  }

  async #listContexts(name: string): Promise<string[]> {
    const names: string[] = [];
    await this.#option(Option.ListMetaContext, encodeMetaContextRequest(name, []), (type, data) => {
      if (type === OptionReply.MetaContext) names.push(parseMetaContext(data).name);
    });
    return names;
  }

  /** Undefined where the server does not know the option. */
  async #info(option: number, name: string, infos: readonly number[]): Promise<ExportInfo | undefined> {
    let info: Partial<ExportInfo> = {};
    const refusal = await this.#option(option, encodeInfoRequest(name, infos), (type, data) => {
      if (type === OptionReply.Info) info = { ...info, ...parseInfo(data) };
    });
    if (refusal?.type === OptionReply.Unsupported) return undefined;
    if (refusal !== undefined) throw refused(refusal, option);
    const { size, flags } = info;
    if (size === undefined || flags === undefined) throw protocol('Server did not tell the size of the export');
    return { ...info, size, flags };
  }

  /** Sends an option and takes its replies; gives back what it was refused with. */
  async #option(option: number, data: Uint8Array, take: (type: number, data: Uint8Array) => void): Promise<Refusal | undefined> {
    this.channel.write(encodeOption(option, data));
    for (let count = 0; count < MAX_REPLIES; count++) {
      const head = new Reader(await this.channel.take(OPTION_REPLY_BYTES));
      if (head.u32() !== Magic.OptionReplyHigh || head.u32() !== Magic.OptionReplyLow) throw protocol('Unexpected option reply magic');
      const about = head.u32();
      if (about !== option) throw protocol(`Unexpected option type ${about}, expected ${option}`);
      const type = head.u32();
      const length = head.u32();
      if (length > MAX_REPLY) throw protocol(`A reply of ${length} bytes; at most ${MAX_REPLY} are taken`);
      const payload = length === 0 ? EMPTY : await this.channel.take(length);
      if (type === OptionReply.Ack) return undefined;
      if (type >= 0x80000000) return { type, message: new TextDecoder().decode(payload.subarray(0, MAX_STRING)) };
      take(type, payload);
    }
    throw protocol(`More than ${MAX_REPLIES} replies to one option`);
  }
}

/** How a server said no. */
interface Refusal {
  readonly type: number;
  readonly message: string;
}

/** In the words of QEMU, with what the server says in a line of its own. */
function refused({ type, message }: Refusal, option: number): BlockError {
  const said = message === '' ? '' : `\nserver reported: ${printable(message, MAX_STRING)}`;
  const which = `option ${option} (${OPTION_NAMES[option] ?? 'unknown'})`;
  const [kind, text] = describeRefusal(type, which);
  return new BlockError(kind, text + said, { reason: 'nbd/refused' });
}

function describeRefusal(type: number, which: string): readonly [BlockErrorKind, string] {
  switch (type) {
    case OptionReply.Policy:
      return ['policy', `Denied by server for ${which}`];
    case OptionReply.Invalid:
      return ['invalid-argument', `Invalid parameters for ${which}`];
    case OptionReply.Platform:
      return ['unsupported', `Server lacks support for ${which}`];
    case OptionReply.TlsRequired:
      return ['permission', `TLS negotiation required before ${which}\nDid you forget a valid tls-creds?`];
    case OptionReply.Unknown:
      return ['not-found', 'Requested export not available'];
    case OptionReply.Shutdown:
      return ['closed', `Server shutting down before ${which}`];
    case OptionReply.BlockSizeRequired:
      return ['unsupported', `Server requires INFO_BLOCK_SIZE for ${which}`];
    default:
      return ['unsupported', `Unknown error code when asking for ${which}`];
  }
}

const OPTION_NAMES: Readonly<Record<number, string>> = {
  [Option.ExportName]: 'export name',
  [Option.List]: 'list',
  [Option.StartTls]: 'starttls',
  [Option.Info]: 'info',
  [Option.Go]: 'go',
  [Option.StructuredReply]: 'structured reply',
  [Option.ListMetaContext]: 'list meta context',
  [Option.SetMetaContext]: 'set meta context',
};

function protocol(message: string): BlockError {
  return new BlockError('io', message, { reason: 'nbd/protocol' });
}

/** `0x00420281861253`, the old servers' second magic. */
const OLD_HIGH = 0x00004202;
const OLD_LOW = 0x81861253;

const EMPTY = new Uint8Array(0);
const NO_CONTEXTS: ReadonlyMap<string, number> = new Map();

/** The words that stand for transmission flags, in the order of their bits. */
export const FLAG_WORDS: readonly (readonly [number, string])[] = [
  [TransmissionFlag.ReadOnly, 'readonly'],
  [TransmissionFlag.SendFlush, 'flush'],
  [TransmissionFlag.SendFua, 'fua'],
  [TransmissionFlag.Rotational, 'rotational'],
  [TransmissionFlag.SendTrim, 'trim'],
  [TransmissionFlag.SendWriteZeroes, 'zeroes'],
  [TransmissionFlag.SendDf, 'df'],
  [TransmissionFlag.CanMultiConn, 'multi'],
  [TransmissionFlag.SendResize, 'resize'],
  [TransmissionFlag.SendCache, 'cache'],
  [TransmissionFlag.SendFastZero, 'fast-zero'],
];
