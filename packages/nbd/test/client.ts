/** A client that says what it is told, byte by byte if need be, and takes replies apart. For tests only. */
import { connect, type Socket } from 'node:net';
import {
  Chunk,
  encodeOption,
  HandshakeFlag,
  Info,
  Option,
  OptionReply,
  putRequest,
  ReplyFlag,
  REQUEST_BYTES,
  utf8,
  Writer,
  type ListenTarget,
} from '../src/index.js';

export interface OptionAnswer {
  readonly option: number;
  readonly type: number;
  readonly data: Buffer;
}

export interface ReplyChunk {
  readonly flags: number;
  readonly type: number;
  readonly cookie: number;
  readonly data: Buffer;
}

export class TestClient {
  #received: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #ended = false;
  nextCookie = 1;

  private constructor(public socket: Socket) {
    this.watch(socket);
  }

  static async open(address: ListenTarget): Promise<TestClient> {
    const socket = connect(address as { path: string });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new TestClient(socket);
  }

  watch(socket: Socket): void {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** The next `length` bytes; throws where the server ends first. */
  async take(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      if (this.#ended) throw new Error(`server ended after ${this.#received.length} of ${length} bytes`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  /** Waits for the server to end; gives what it still said. */
  async ended(): Promise<Buffer> {
    while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#received;
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  close(): void {
    this.socket.destroy();
  }

  /** Reads the greeting and answers it. */
  async hello(flags: number = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes): Promise<Buffer> {
    const greeting = await this.take(18);
    this.send(new Writer(4).u32(flags).bytes);
    return greeting;
  }

  async answer(): Promise<OptionAnswer> {
    const head = await this.take(20);
    const data = Buffer.from(await this.take(head.readUInt32BE(16)));
    return { option: head.readUInt32BE(8), type: head.readUInt32BE(12), data };
  }

  /** Sends an option and collects its answers up to the last one. */
  async option(option: number, data?: Uint8Array): Promise<OptionAnswer[]> {
    this.send(encodeOption(option, data));
    const answers: OptionAnswer[] = [];
    for (;;) {
      const answer = await this.answer();
      answers.push(answer);
      if (answer.type === OptionReply.Ack || answer.type >= 0x80000000) return answers;
    }
  }

  /** The whole way into transmission. */
  async go(name = '', options: { structured?: boolean; contexts?: readonly string[] } = {}): Promise<void> {
    await this.hello();
    if (options.structured !== false) await this.option(Option.StructuredReply);
    if (options.contexts) await this.option(Option.SetMetaContext, metaQuery(name, options.contexts));
    const answers = await this.option(Option.Go, infoRequest(name));
    if (answers.at(-1)?.type !== OptionReply.Ack) throw new Error(`refused: ${answers.at(-1)?.data.toString()}`);
  }

  /** Sends a request and gives its cookie. */
  request(command: number, offset: number, length: number, flags = 0, payload?: Uint8Array): number {
    const cookie = this.nextCookie++;
    this.send(requestBytes(command, cookie, offset, length, flags));
    if (payload) this.send(payload);
    return cookie;
  }

  /** The next simple reply: error and cookie. */
  async simple(): Promise<{ error: number; cookie: number }> {
    const head = await this.take(16);
    if (head.readUInt32BE(0) !== 0x67446698) throw new Error(`not a simple reply: ${head.toString('hex')}`);
    return { error: head.readUInt32BE(4), cookie: head.readUInt32BE(12) };
  }

  async chunk(): Promise<ReplyChunk> {
    const head = await this.take(20);
    if (head.readUInt32BE(0) !== 0x668e33ef) throw new Error(`not a structured reply: ${head.toString('hex')}`);
    const data = Buffer.from(await this.take(head.readUInt32BE(16)));
    return { flags: head.readUInt16BE(4), type: head.readUInt16BE(6), cookie: head.readUInt32BE(12), data };
  }

  async chunks(): Promise<ReplyChunk[]> {
    const chunks: ReplyChunk[] = [];
    do chunks.push(await this.chunk());
    while ((chunks.at(-1)?.flags ?? 0) !== ReplyFlag.Done);
    return chunks;
  }

  /** A structured read, put together; throws on an error chunk. */
  async read(offset: number, length: number, flags = 0): Promise<Buffer> {
    this.request(0, offset, length, flags);
    const result = Buffer.alloc(length, 0xee);
    let covered = 0;
    for (const { type, data } of await this.chunks()) {
      if (type >= 0x8000) throw new Error(`error ${data.readUInt32BE(0)}: ${data.subarray(6).toString()}`);
      if (type === Chunk.None) continue;
      const at = Number(data.readBigUInt64BE(0)) - offset;
      const size = type === Chunk.OffsetHole ? data.readUInt32BE(8) : data.length - 8;
      if (type === Chunk.OffsetHole) result.fill(0, at, at + size);
      else data.copy(result, at, 8);
      covered += size;
    }
    if (covered !== length) throw new Error(`${covered} of ${length} bytes`);
    return result;
  }

  /** A write with its simple reply; gives the error. */
  async write(offset: number, payload: Uint8Array, flags = 0): Promise<number> {
    this.request(1, offset, payload.length, flags, payload);
    return (await this.status()).error;
  }

  /** The answer to a request without data, in either form. */
  async status(): Promise<{ error: number; cookie: number; message: string }> {
    const magic = (await this.peek(4)).readUInt32BE(0);
    if (magic === 0x67446698) return { ...(await this.simple()), message: '' };
    const { type, cookie, data } = await this.chunk();
    if (type === Chunk.None) return { error: 0, cookie, message: '' };
    return { error: data.readUInt32BE(0), cookie, message: data.subarray(6).toString() };
  }

  async peek(length: number): Promise<Buffer> {
    const bytes = await this.take(length);
    this.#received = Buffer.concat([bytes, this.#received]);
    return bytes;
  }
}


export function requestBytes(command: number, cookie: number, offset: number, length: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  putRequest(new DataView(bytes.buffer), 0, { flags, command, cookieHigh: 0, cookieLow: cookie, offset, length });
  return bytes;
}

/** Data of `NBD_OPT_INFO` and `NBD_OPT_GO`. */
export function infoRequest(name: string, infos: readonly number[] = [Info.BlockSize]): Uint8Array {
  const bytes = utf8(name);
  const writer = new Writer(6 + bytes.length + infos.length * 2).u32(bytes.length).raw(bytes).u16(infos.length);
  for (const info of infos) writer.u16(info);
  return writer.bytes;
}

/** Data of the options about metadata contexts. */
export function metaQuery(name: string, queries: readonly string[]): Uint8Array {
  const texts = queries.map(utf8);
  const bytes = utf8(name);
  const writer = new Writer(8 + bytes.length + texts.reduce((sum, text) => sum + 4 + text.length, 0));
  writer.u32(bytes.length).raw(bytes).u32(texts.length);
  for (const text of texts) writer.u32(text.length).raw(text);
  return writer.bytes;
}
