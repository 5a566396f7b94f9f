/**
 * The requests of one volume: how many are under way, which answer belongs to which, what an answer must say, and how long it may take.
 *
 * A request lies in memory that its peer writes to, so it cannot be taken back. After one whose answer does not come, nothing is known about the volume any
 * more: what was asked for may still be done, behind what is asked for later. Everything fails from then on.
 */
import type { Clock } from '@blk/core-graph';
import { noRoom, refused, silent } from './errors.js';
import type { Place } from './place.js';
import { Op, State } from './protocol.js';
import type { OpenTransport, XsegReply, XsegTransport } from './transport.js';

/** What is asked for. */
export interface Call {
  readonly op: Op;
  /** As in `XsegRequest`. */
  readonly offset: number;
  readonly length: number;
  readonly start: number;
  readonly from?: Uint8Array;
  /** Where the answer's data goes: `into[start, start + length)`. Not touched once the call is settled. */
  readonly into?: Uint8Array;
}

export class Calls {
  /** By what stands for them in the segment. */
  readonly #sent = new Map<number, Pending>();
  readonly #queued: Pending[] = [];
  /** Settled, and still with their peers. */
  readonly #abandoned = new Set<number>();
  readonly #target: Uint8Array;
  #transport!: XsegTransport;
  #ticks = 0;
  /** Ticks in a row without room for a request, and with none under way. */
  #starved = 0;
  #stop: (() => void) | undefined;
  #lost: Error | undefined;

  private constructor(private readonly place: Place, private readonly clock: Pick<Clock, 'timer'>, private readonly patience: number) {
    this.#target = new TextEncoder().encode(place.volume);
  }

  /** @param patience - seconds that an answer may take */
  static async open(open: OpenTransport, place: Place, clock: Pick<Clock, 'timer'>, patience = PATIENCE): Promise<Calls> {
    const calls = new Calls(place, clock, patience);
    calls.#transport = await open(place.segment, () => { calls.#receive(); });
    return calls;
  }

  /** Whether an answer did not come in time. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /** Resolves when the peer has done all that it was asked to. */
  run(call: Call): Promise<void> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#queued.push({ call, resolve, reject, since: 0 });
      this.#send();
    });
  }

  /** Ends all that is under way, and all that follows, with `error`. */
  abandon(error: Error): void {
    this.#lost ??= error;
    const pending = [...this.#sent.values(), ...this.#queued.splice(0)];
    for (const id of this.#sent.keys()) this.#abandoned.add(id);
    this.#sent.clear();
    for (const { reject } of pending) reject(this.#lost);
    this.#watch();
  }

  /** Nothing may be under way other than what was given up. */
  close(): Promise<void> {
    this.#stop?.();
    this.#receive();
    return this.#transport.close(this.#abandoned.size > 0);
  }

  #send(): void {
    while (this.#queued.length > 0 && this.#sent.size < MOST_UNDER_WAY) {
      const [next] = this.#queued;
      let id: number | undefined;
      try {
        id = this.#submit(next.call);
      } catch (error) {
        this.#queued.shift();
        next.reject(error as Error);
        continue;
      }
      if (id === undefined) break;
      this.#queued.shift();
      next.since = this.#ticks;
      this.#starved = 0;
      this.#sent.set(id, next);
    }
    this.#watch();
  }

  #submit({ op, offset, length, start, from }: Call): number | undefined {
    return this.#transport.submit({ port: this.#portOf(op), op, target: this.#target, offset, size: op === Op.info ? 0 : length, length, from, start });
  }

  #receive(): void {
    for (let reply = this.#transport.receive(); reply !== undefined; reply = this.#transport.receive()) this.#answered(reply);
    this.#send();
  }

  #answered(reply: XsegReply): void {
    const pending = this.#sent.get(reply.id);
    this.#sent.delete(reply.id);
    this.#abandoned.delete(reply.id);
    try {
      if (pending !== undefined) take(reply, pending.call);
      pending?.resolve();
    } catch (error) {
      pending?.reject(error as Error);
    } finally {
      reply.release();
    }
  }

  /** A timer runs exactly while something is waited for. */
  #watch(): void {
    if (this.#sent.size + this.#queued.length === 0) {
      this.#stop?.();
      this.#stop = undefined;
    } else {
      this.#stop ??= this.clock.timer(TICK_MS, () => {
        this.#stop = undefined;
        this.#tick();
      });
    }
  }

  #tick(): void {
    this.#ticks++;
    this.#receive();
    const oldest = this.#sent.values().next().value;
    if (oldest === undefined) {
      if (this.#queued.length > 0 && ++this.#starved >= this.patience) {
        for (const { reject } of this.#queued.splice(0)) reject(noRoom(this.patience));
      }
    } else if (this.#ticks - oldest.since >= this.patience) {
      this.abandon(silent(textOf(oldest.call), this.#peerOf(oldest.call.op), this.patience));
    } else {
      this.#transport.nudge(this.#portOf(oldest.call.op));
      this.#receive();
    }
    this.#watch();
  }

  #portOf(op: Op): number {
    return isForComposer(op) ? this.place.vport : this.place.mport;
  }

  #peerOf(op: Op): string {
    return `${isForComposer(op) ? 'composer' : 'mapper'} at port ${this.#portOf(op)} of segment '${this.place.segment}'`;
  }
}

interface Pending {
  readonly call: Call;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** The tick at which it was sent. */
  since: number;
}

/** Requests in the segment at once: with pieces as large as they get, 8 MiB of its memory. */
const MOST_UNDER_WAY = 16;
const TICK_MS = 1000;
/** Storage that is busy may take long; the reference waits for ever. */
const PATIENCE = 60;

function isForComposer(op: Op): boolean {
  return op === Op.read || op === Op.write || op === Op.flush || op === Op.close;
}

/** Holds an answer to the protocol, and takes its data. */
function take(reply: XsegReply, call: Call): void {
  const { op, length, into, start } = call;
  if ((reply.state & State.failed) !== 0 || (reply.state & State.served) === 0) throw refused(textOf(call), `it was not served (state ${reply.state})`);
  if ((op === Op.read || op === Op.write) && reply.serviced !== length) throw refused(textOf(call), `${reply.serviced} of ${length} bytes were served`);
  if (into === undefined) return;
  if (reply.length < length) throw refused(textOf(call), `the answer has ${reply.length} of ${length} bytes`);
  reply.copy(into, start, length);
}

function textOf({ op, offset, length }: Call): string {
  switch (op) {
    case Op.read:
      return `reading ${length} bytes at ${offset}`;
    case Op.write:
      return `writing ${length} bytes at ${offset}`;
    case Op.truncate:
      return `changing the size to ${offset} bytes`;
    case Op.clone:
      return 'making the volume';
    case Op.remove:
      return 'removing the volume';
    case Op.info:
      return 'asking for the size of the volume';
    case Op.flush:
      return 'flushing the volume';
    case Op.close:
      return 'closing the volume';
  }
}
