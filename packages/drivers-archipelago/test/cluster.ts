/**
 * A mapper and a composer in this process: they keep to the protocol, hold the driver to it, and fail in the ways that real ones can. What they share with the
 * driver is copied as through a segment, so that nothing is seen by accident.
 */
import { BlockError } from '@blk/core-graph';
import { prng, SparseBytes, type Prng } from '@blk/driver-conformance';
import { LONGEST_NAME, Op, PIECE, State } from '../src/protocol.js';
import type { OpenTransport, XsegReply, XsegRequest, XsegTransport } from '../src/transport.js';

/** What becomes of a request. `unheard`: the peer is not woken; `untold`: it answers, and its wake-up gets lost. */
export type Fault = 'failed' | 'not-served' | 'short' | 'less-data' | 'unheard' | 'untold' | 'gone' | 'no-room' | 'no-port';

export interface ClusterOptions {
  readonly mport?: number;
  readonly vport?: number;
  readonly segment?: string;
  /** Answers come late, and in any order. */
  readonly seed?: number;
}

/** A request as it came, without its data. */
export type Seen = Omit<XsegRequest, 'from' | 'start' | 'target'> & { readonly volume: string };

export class Cluster {
  readonly volumes = new Map<string, SparseBytes>();
  /** Requests in the order in which they were queued. */
  readonly seen: Seen[] = [];
  /** Asked for each request; undefined: it is served. */
  fault: (request: Seen) => Fault | undefined = () => undefined;
  /** Answers wait until it is taken away. */
  held = false;
  /** Most requests that were under way at once. */
  most = 0;
  readonly ports: Port[] = [];

  constructor(readonly options: ClusterOptions = {}) {}

  readonly transport: OpenTransport = (segment, wake) => {
    const { segment: own = 'archipelago' } = this.options;
    if (segment !== own) return Promise.reject(new BlockError('io', `there is no segment '${segment}'`));
    const port = new Port(this, wake, prng((this.options.seed ?? 0) + this.ports.length));
    this.ports.push(port);
    return Promise.resolve(port);
  };

  /** Requests that no port has given back to the segment. */
  get lent(): number {
    return this.ports.reduce((sum, port) => sum + port.lent, 0);
  }

  ops(): string[] {
    const names = new Map<number, string>(Object.entries(Op).map(([name, number]) => [number, name]));
    return this.seen.map(({ op }) => names.get(op) ?? '?');
  }

  /** Lets the answers go that were held back. */
  letGo(): void {
    this.held = false;
    for (const port of this.ports) port.serveAll();
  }

  /** What a peer does with a request: the state it ends in, how much it served, and its data. */
  serve({ op, port, offset, size, volume }: Seen, data: Uint8Array): { state: number; serviced: number } {
    const { mport = 1001, vport = 501 } = this.options;
    const done = (serviced = 0): { state: number; serviced: number } => ({ state: State.served, serviced });
    const failed = { state: State.failed, serviced: 0 };
    const forComposer = op === Op.read || op === Op.write || op === Op.flush || op === Op.close;
    if (port !== (forComposer ? vport : mport)) return failed;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const content = this.volumes.get(volume);
    if (op === Op.clone) {
      if (content !== undefined || data.length !== LONGEST_NAME + 16 || view.getUint32(LONGEST_NAME, true) !== 0) return failed;
      this.volumes.set(volume, new SparseBytes(Number(view.getBigUint64(LONGEST_NAME + 8, true))));
      return done();
    }
    if (content === undefined) return failed;
    switch (op) {
      case Op.info:
        view.setBigUint64(0, BigInt(content.size), true);
        return done();
      case Op.truncate:
        content.resize(offset);
        return done();
      case Op.remove:
        this.volumes.delete(volume);
        return done();
      case Op.flush:
      case Op.close:
        return done();
      case Op.read:
      case Op.write:
        if (size !== data.length || size > PIECE || size % 512 !== 0 || offset % 512 !== 0 || offset + size > content.size) return failed;
        if (op === Op.read) content.read(offset, data, 0, size);
        else content.write(offset, data, 0, size);
        return done(size);
    }
  }
}

interface Queued {
  readonly id: number;
  readonly request: Seen;
  readonly data: Uint8Array;
  readonly fault: Fault | undefined;
}

class Port implements XsegTransport {
  #next = 1;
  readonly #queued: Queued[] = [];
  readonly #answers: XsegReply[] = [];
  readonly #lent = new Set<number>();
  closed: { readonly unanswered: boolean } | undefined;

  constructor(private readonly cluster: Cluster, private readonly wake: () => void, private readonly random: Prng) {}

  get lent(): number {
    return this.#lent.size;
  }

  submit({ from, start, target, ...header }: XsegRequest): number | undefined {
    if (this.closed !== undefined) throw new Error('a request at a port that was given back');
    const request: Seen = { ...header, volume: new TextDecoder().decode(target) };
    const fault = this.cluster.fault(request);
    if (fault === 'no-room') return undefined;
    if (fault === 'no-port') throw new BlockError('io', `port ${request.port} takes no requests`);
    const id = this.#next++;
    this.#lent.add(id);
    this.cluster.seen.push(request);
    this.cluster.most = Math.max(this.cluster.most, this.#lent.size);
    // What is in memory of the segment that was used before is nobody's business.
    const data = from === undefined ? this.random.bytes(header.length) : from.slice(start, start + header.length);
    this.#queued.push({ id, request, data, fault });
    if (fault !== 'unheard') this.#later();
    return id;
  }

  receive(): XsegReply | undefined {
    return this.#answers.shift();
  }

  nudge(): void {
    // As a real peer does: it looks at all that is queued.
    for (const { fault } of this.#queued) if (fault === 'unheard') this.#later();
  }

  close(unanswered: boolean): Promise<void> {
    if (unanswered !== this.#lent.size > 0) throw new Error(`${this.#lent.size} requests are lent, and it is said that ${unanswered ? 'some' : 'none'} are unanswered`);
    this.closed = { unanswered };
    return Promise.resolve();
  }

  serveAll(): void {
    while (this.#serveOne());
  }

  #later(): void {
    const { seed } = this.cluster.options;
    const turns = seed === undefined ? 1 : 1 + this.random.below(4);
    const wait = (left: number): void => { setImmediate(left === 1 ? () => { this.#serveOne(); } : () => { wait(left - 1); }); };
    wait(turns);
  }

  #serveOne(): boolean {
    const { cluster, random } = this;
    const ready = this.#queued.filter(({ fault }) => fault !== 'gone');
    if (cluster.held || ready.length === 0) return false;
    const next = cluster.options.seed === undefined ? ready[0] : random.pick(ready);
    this.#queued.splice(this.#queued.indexOf(next), 1);
    this.#answer(next);
    if (next.fault !== 'untold' && this.closed === undefined) this.wake();
    return true;
  }

  #answer({ id, request, data, fault }: Queued): void {
    const served = fault === 'failed' || fault === 'not-served' ? { state: fault === 'failed' ? State.failed | State.served : 0, serviced: 0 } : this.cluster.serve(request, data);
    const length = fault === 'less-data' ? data.length - 1 : data.length;
    const mustBeLent = (): void => { if (!this.#lent.has(id)) throw new Error('a request is touched that was given back'); };
    this.#answers.push({
      id,
      state: served.state,
      serviced: fault === 'short' ? served.serviced - 1 : served.serviced,
      length,
      copy: (into, start, count) => {
        mustBeLent();
        if (count > length) throw new Error('more is copied than there is');
        into.set(data.subarray(0, count), start);
      },
      release: () => {
        mustBeLent();
        this.#lent.delete(id);
      },
    });
  }
}
