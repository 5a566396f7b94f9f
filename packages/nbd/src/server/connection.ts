/** One client, from its first byte to its last: handshake, TLS, requests, and an end that loses nothing under way. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { messageOf } from '@blk/core-graph';
import { tlsReason } from '@blk/remote';
import { encodeGreeting } from '../codec/handshake.js';
import { adopt, readByEvents, socketOf, type Receiver } from './adopt.js';
import type { NbdExport } from './export.js';
import type { ConnectionHost } from './connection-host.js';
import { Inbound, type Received } from './inbound.js';
import type { NbdLimits } from './limits.js';
import { Negotiation, type Agreement, type NegotiationHost, type TlsMode } from './negotiation.js';
import { ReplyWriter } from './reply-writer.js';
import { enlargeSendBuffer } from './send-buffer.js';
import { Session } from './session.js';
import { secured } from './tls.js';
import { Transmission } from './transmission.js';

export class Connection implements Receiver, NegotiationHost {
  /** The export that the client chose; undefined during the handshake. */
  target: NbdExport | undefined;
  /** Why the connection was cut; undefined where the client left by itself. */
  reason: string | undefined;
  /** Resolves when the socket is closed and no request is under way any more. */
  readonly done: Promise<void>;
  #resolveDone!: () => void;
  #socket: Socket;
  readonly #inbound: Inbound;
  #negotiation: Negotiation;
  #transmission: Transmission | undefined;
  /** Where the payload of a write is received, if the last `space` said so. */
  #target: Uint8Array | undefined;
  /** What waits: for memory, or for the next turn. */
  #rest: Received | undefined;
  #paused = false;
  #ending = false;
  #gone = false;
  #soon = false;
  #upgrading = false;
  #finished = false;
  #timer: NodeJS.Timeout | undefined;

  /** `from`: an accepted, paused socket, or a connected descriptor. */
  constructor(
    private readonly host: ConnectionHost,
    from: Socket | number,
  ) {
    this.done = new Promise((resolve) => (this.#resolveDone = resolve));
    this.#inbound = new Inbound(host.slabs);
    this.#socket = typeof from === 'number' ? socketOf(from, this) : adopt(from, this);
    this.#watch(this.#socket);
    this.#socket.setNoDelay(true);
    const mode: TlsMode = host.tls === undefined ? 'none' : host.tls.required === false ? 'optional' : 'required';
    this.#negotiation = new Negotiation(this, mode, false);
    const { handshakeTimeout } = host.limits;
    if (handshakeTimeout > 0) {
      this.#timer = setTimeout(() => {
        this.cut(`handshake took longer than ${handshakeTimeout} ms`);
      }, handshakeTimeout);
    }
    this.send(encodeGreeting());
    this.#socket.resume();
  }

  get limits(): NbdLimits {
    return this.host.limits;
  }
  get closing(): boolean {
    return this.host.closing;
  }
  /** As the system names the other side: `address:port`, or empty for a unix socket. */
  get remote(): string {
    const { remoteAddress, remotePort } = this.#socket;
    return remoteAddress === undefined ? '' : `${remoteAddress}:${remotePort}`;
  }
  find(name: string): NbdExport | undefined {
    return this.host.find(name);
  }
  list(): readonly NbdExport[] {
    return this.host.list();
  }
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Ends at once; requests under way finish without an answer. */
  cut(reason?: string): void {
    if (!this.#gone) this.reason ??= reason;
    this.#socket.destroy();
  }

  /** Ends when the requests under way are answered; later ones get `ESHUTDOWN`. */
  end(): void {
    if (this.#transmission === undefined) this.cut('server is shutting down');
    else {
      this.#transmission.session.draining = true;
      this.#ending = true;
      this.#settled();
    }
  }

  space(): Uint8Array {
    // With bytes still to be looked at, where the payload continues is not known yet.
    this.#target = this.#rest === undefined ? this.#transmission?.target() : undefined;
    return this.#target ?? this.#inbound.space();
  }

  received(bytes: Uint8Array, length: number): boolean {
    if (this.#gone) return false;
    const target = this.#target;
    if (target !== undefined && bytes.buffer === target.buffer && bytes.byteOffset === target.byteOffset) {
      const transmission = this.#transmission as Transmission;
      transmission.beginWork();
      transmission.filled(length);
      transmission.endWork();
      transmission.session.out.flush();
      return this.#goesOn(transmission);
    }
    const rest = this.#inbound.received(bytes, length);
    return this.#transmission === undefined ? this.#negotiate(rest) : this.#take(this.#transmission, rest);
  }

  /** Runs what was received; false where reading has to stop. */
  #take(transmission: Transmission, rest: Received): boolean {
    transmission.beginWork();
    try {
      rest.at = transmission.take(rest.bytes, rest.view, rest.slab, rest.at, rest.end);
    } catch (error) {
      // No memory for a buffer, for example: this client goes, the others stay.
      this.cut(messageOf(error));
      return false;
    }
    transmission.endWork();
    transmission.session.out.flush();
    if (transmission.violation !== undefined) {
      this.cut(transmission.violation);
      return false;
    }
    if (transmission.disconnecting) {
      this.#ending = true;
      this.#settled();
      return false;
    }
    if (rest.at < rest.end) {
      if (this.#rest === undefined && rest.slab !== undefined) rest.slab.holds++;
      this.#rest = rest;
    } else if (this.#rest !== undefined) {
      this.#rest = undefined;
      rest.slab?.release();
    }
    return this.#goesOn(transmission);
  }

  /** Whether reading may go on; else arranges that it does later. */
  #goesOn(transmission: Transmission): boolean {
    if (transmission.turnOver) setImmediate(this.#nextTurn);
    else if (this.#rest === undefined && !transmission.session.full) return true;
    this.#paused = true;
    return false;
  }

  readonly #nextTurn = (): void => {
    this.#transmission?.beginTurn();
    this.#pump();
  };

  /** Goes on with what waits, as far as it may. */
  #pump(): void {
    const transmission = this.#transmission;
    if (!this.#paused || this.#gone || transmission === undefined || transmission.disconnecting) return;
    if (transmission.turnOver || transmission.session.full) return;
    if (this.#rest !== undefined && !this.#take(transmission, this.#rest)) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #negotiate(rest: Received): boolean {
    rest.at = this.#negotiation.push(rest.bytes, rest.at, rest.end);
    const { outcome } = this.#negotiation;
    if (outcome === undefined) return true;
    switch (outcome.kind) {
      case 'close':
        this.reason ??= outcome.reason;
        // What was said last, such as the answer to an abort, still goes out.
        this.#socket.destroySoon();
        return false;
      case 'tls':
        if (rest.at < rest.end) this.cut('data between the request for TLS and its handshake');
        else void this.#startTls();
        return false;
      case 'transmission':
        return this.#enter(outcome.agreement, rest);
    }
  }

  #enter(agreement: Agreement, rest: Received): boolean {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { host } = this;
    // Not for TLS, where the socket of the system is another's.
    if (!(this.#socket instanceof TLSSocket)) void enlargeSendBuffer(this.#socket);
    const out = new ReplyWriter(host.slabs, this.#socket, this.#taken);
    const session = new Session(agreement, out, host.slabs, host.limits, this.#settled);
    this.target = agreement.target;
    this.#transmission = new Transmission(session);
    host.entered(this);
    if (host.closing) this.end();
    return rest.at < rest.end ? this.#take(this.#transmission, rest) : true;
  }

  async #startTls(): Promise<void> {
    const { tls } = this.host;
    const plain = this.#socket;
    this.#upgrading = true;
    try {
      const secure = await secured(plain, tls);
      this.#socket = readByEvents(secure, this);
      this.#negotiation = this.#negotiation.afterTls();
      this.#watch(secure);
    } catch (error) {
      this.cut(`TLS: ${tlsReason(error)}`);
      this.#left();
    } finally {
      this.#upgrading = false;
    }
  }

  #watch(socket: Socket): void {
    socket.on('error', (error) => {
      if (!this.#gone) this.reason ??= messageOf(error);
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      // An upgrade that fails knows better why.
      if (this.#upgrading) return;
      if (socket === this.#socket) this.#left();
      else this.#socket.destroy();
    });
  }

  #left(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#rest?.slab?.release();
    this.#rest = undefined;
    const transmission = this.#transmission;
    if (transmission !== undefined) {
      transmission.abandon();
      transmission.session.out.close();
      transmission.session.taken();
    }
    this.#finish();
  }

  /** Lets go of everything once the source is done with it. */
  #finish(): void {
    const session = this.#transmission?.session;
    if (this.#finished || (session !== undefined && session.inFlight > 0)) return;
    this.#finished = true;
    session?.out.dispose();
    this.#inbound.close();
    this.#resolveDone();
  }

  /** The client took something of the replies. */
  readonly #taken = (): void => {
    this.#transmission?.session.taken();
    if (this.#paused) this.#pump();
  };

  /** A request that had to wait is done; several of one turn share what follows. */
  readonly #settled = (): void => {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(this.#afterSettled);
  };

  readonly #afterSettled = (): void => {
    this.#soon = false;
    const session = this.#transmission?.session;
    if (session === undefined) return;
    if (this.#gone) {
      this.#finish();
      return;
    }
    session.out.flush();
    if (!this.#ending || session.inFlight > 0) this.#pump();
    else {
      // Answers still go out, but nobody waits for ever for a client that takes none.
      this.#timer ??= setTimeout(() => {
        this.cut('answers were not taken');
      }, this.limits.handshakeTimeout || LINGER);
      this.#socket.destroySoon();
    }
  };
}

/** Milliseconds that a client has to take its last answers, where no limit for handshakes says it. */
const LINGER = 10_000;
