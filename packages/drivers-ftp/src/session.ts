/** One login: what the server says about the file, and the file itself from any place on, one transfer at a time. */
import { printable } from '@blk/remote';
import { Control, type ControlSettings } from './control.js';
import { DataStream } from './data-stream.js';
import { changedError, fileRefusal, ftpError, refusal } from './errors.js';
import { parseEpsv, parsePasv, parseSize, type Reply } from './reply.js';

/** By what a version of the file is told from another one. */
export interface Version {
  readonly size: number;
  /** When it was changed last, as the server writes it; undefined where it does not tell. */
  readonly modified: string | undefined;
}

/** What is refused by servers without `REST`. */
const RESTART = 'to begin in the middle of a file';

export class Session {
  #stream: DataStream | undefined;
  #passive: 'EPSV' | 'PASV' = 'EPSV';

  private constructor(
    private readonly control: Control,
    private readonly settings: ControlSettings,
  ) {
    // Nobody would say any more whether everything was sent, and what is under way may never come.
    control.onEnd = (error) => { this.#stream?.fail(error); };
  }

  /** Logs in. `onReply` is told of every reply; `signal` is for this only. */
  static async open(settings: ControlSettings, onReply: () => void, signal: AbortSignal): Promise<Session> {
    const control = await Control.connect(settings, onReply, signal);
    const abort = (): void => { control.destroy(signal.reason as Error); };
    signal.addEventListener('abort', abort, { once: true });
    try {
      const session = new Session(control, settings);
      await session.#login();
      return session;
    } catch (error) {
      control.destroy(error as Error);
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  get failed(): boolean {
    return this.control.failed;
  }

  /** The transfer that is under way. */
  get stream(): DataStream | undefined {
    return this.#stream;
  }

  set onReply(told: () => void) {
    this.control.onReply = told;
  }

  /** Size and date of the file. */
  async version(): Promise<Version> {
    const { path } = this.settings.place;
    const size = await this.control.command(`SIZE ${path}`);
    if (size.code !== 213) throw fileRefusal('to say how large the file is', size);
    const bytes = parseSize(size);
    if (bytes === undefined) throw ftpError('io', 'size', `The server gives no size of the file: '${printable(size.text, 80)}'`);
    const modified = await this.control.command(`MDTM ${path}`);
    return { size: bytes, modified: modified.code === 213 ? modified.text.trim() : undefined };
  }

  /**
   * Whether transfers can begin anywhere. It is tried with the last byte, which has to come alone: a server that says yes and begins at the front
   * would be believed otherwise. The session may be of no more use then.
   */
  async canRestart({ size }: Version): Promise<boolean> {
    if (size < 2) return true;
    const reply = await this.control.command('REST 1');
    if (reply.code >= 500) return false;
    if (reply.code !== 350) throw refusal(RESTART, reply);
    let came = 0;
    try {
      const stream = await this.#transfer(size - 1);
      await stream.read(2, (chunk) => { came += chunk.length; });
      if (came < 2) await this.end({ whole: true });
    } catch (error) {
      // A transfer that breaks off proves nothing: readers begin theirs anew.
      this.destroy(error as Error);
    }
    if (came < 2) return true;
    this.destroy(ftpError('io', 'restart', 'The server sends files from the front whatever it is told'));
    return false;
  }

  /** Begins a transfer at `offset`, of a file that is the one of `known` still; another one has to be over. */
  async retrieve(offset: number, known: Version): Promise<DataStream> {
    const found = await this.version();
    if (found.size !== known.size) throw changedError(`it has ${found.size} bytes where there were ${known.size}`);
    // A server that is too busy to say it may say it the next time.
    if (known.modified !== undefined && found.modified === undefined) throw ftpError('io', 'no-date', 'The server no longer says of when the file is');
    if (known.modified !== undefined && found.modified !== undefined && found.modified !== known.modified) throw changedError(`it is of ${printable(found.modified)} instead of ${printable(known.modified)}`);
    return this.#transfer(offset);
  }

  async #transfer(offset: number): Promise<DataStream> {
    const port = await this.#dataPort();
    const stream = new DataStream(this.control.dataSocket(port), offset, this.control.address, port);
    this.#stream = stream;
    try {
      if (offset > 0) this.#check(RESTART, await this.control.command(`REST ${offset}`), 350);
      const reply = await this.control.command(`RETR ${this.settings.place.path}`);
      if (reply.code !== 125 && reply.code !== 150) throw fileRefusal('to send the file', reply);
      const { encrypting } = this.control;
      if (encrypting !== undefined) stream.encrypt(encrypting);
      return stream;
    } catch (error) {
      this.#stream = undefined;
      stream.close();
      throw error;
    }
  }

  /** Ends the transfer, whether all of it came or not: with `whole`, the server has to say that it sent everything. */
  async end({ whole }: { readonly whole: boolean }): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (whole && (await behind(stream)) > 0) throw ftpError('io', 'long', 'The server sends more than the file had');
    this.#stream = undefined;
    stream.close();
    const reply = await this.control.reply();
    if (whole && reply.code >= 400) throw ftpError('io', 'transfer', `The server did not send all of the file: ${reply.code} ${printable(reply.text)}`);
    // One that said yes before it noticed that nobody listens any more may say both.
    if (reply.code < 200) await this.control.reply();
  }

  destroy(error: Error): void {
    this.#stream?.fail(error);
    this.control.destroy(error);
  }

  async #login(): Promise<void> {
    const { username, password } = this.settings.place;
    let reply = await this.control.command(`USER ${username}`);
    if (reply.code === 331) {
      const { code, text } = await this.control.command(`PASS ${password}`);
      // Servers say a command back that they do not understand.
      reply = { code, text: password === '' ? text : text.split(password).join('***') };
    }
    if (reply.code !== 230 && reply.code !== 202) throw refusal('the user', reply);
    this.#check('to send files byte for byte', await this.control.command('TYPE I'), 200);
  }

  async #dataPort(): Promise<number> {
    if (this.#passive === 'EPSV') {
      const reply = await this.control.command('EPSV');
      if (reply.code === 229) return this.#port(parseEpsv(reply), reply);
      // Old servers know the older command only, which has no room for the addresses of today.
      if (reply.code < 500) throw refusal('a connection for data', reply);
      this.#passive = 'PASV';
    }
    const reply = await this.control.command('PASV');
    if (reply.code !== 227) throw refusal('a connection for data', reply);
    return this.#port(parsePasv(reply), reply);
  }

  #port(port: number | undefined, reply: Reply): number {
    if (port === undefined) throw ftpError('io', 'port', `The server gives no port for data: '${printable(reply.text, 80)}'`);
    return port;
  }

  #check(what: string, reply: Reply, code: number): void {
    if (reply.code !== code) throw refusal(what, reply);
  }
}

/**
 * How many bytes there are behind the file's last one, at most 1. Servers that encrypt, and close in a hurry, reset the connection there: nothing is
 * lost by that, and whether they sent everything they say on the other one.
 */
async function behind(stream: DataStream): Promise<number> {
  try {
    return await stream.read(1, () => undefined);
  } catch {
    return 0;
  }
}
