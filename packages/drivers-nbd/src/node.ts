/** An open export as a block node: verbs of the data plane become requests; what the server does not offer, the graph emulates. */
import { BlockError, NO_LIMITS, WriteFlag, type DriverNode, type Extent, type NodeLimits } from '@blk/core-graph';
import { DEFAULT_MAX_PAYLOAD, TransmissionFlag, type Negotiated } from '@blk/nbd';
import type { Session } from './session.js';
import { inSlices, sliceLength } from './slices.js';

/** Longest zeroing, trim or status request, in bytes: lengths have 32 bits. */
const MAX_LENGTH = 2 ** 31;

export const ALLOCATION = 'base:allocation';

/** Bits of `base:allocation`. */
const HOLE = 1;
const ZERO = 2;

export class NbdNode implements DriverNode {
  readonly size: number;
  readonly limits: NodeLimits;
  readonly writeFlags: number;
  readonly zeroFlags: number;
  declare readonly write?: NonNullable<DriverNode['write']>;
  declare readonly writeZeroes?: NonNullable<DriverNode['writeZeroes']>;
  declare readonly discard?: NonNullable<DriverNode['discard']>;
  declare readonly flush?: NonNullable<DriverNode['flush']>;
  declare readonly extent?: NonNullable<DriverNode['extent']>;
  /** Bytes of the longest read or write that is one request. */
  readonly #slice: number;

  constructor(
    private readonly session: Session,
    readonly filename: string,
    readOnly: boolean,
  ) {
    const { negotiated } = session;
    const can = (flag: number): boolean => (negotiated.flags & flag) !== 0;
    this.limits = limitsOf(negotiated);
    this.#slice = sliceLength(this.limits);
    // What is behind the last whole block cannot be asked for.
    this.size = negotiated.size - (negotiated.size % this.limits.alignment);
    const fua = can(TransmissionFlag.SendFua) ? WriteFlag.Fua : 0;
    const fast = can(TransmissionFlag.SendFastZero);
    this.writeFlags = fua;
    // A server that promises no speed may write the zeroes, which is what a request without fallback is not to do.
    this.zeroFlags = fua | WriteFlag.MayUnmap | (fast ? WriteFlag.NoFallback : 0);
    const contextId = negotiated.contexts.get(ALLOCATION);
    if (contextId !== undefined) this.extent = (offset, length) => this.#extent(contextId, offset, length);
    if (can(TransmissionFlag.SendFlush)) this.flush = () => session.run((client) => client.flush());
    if (readOnly) return;
    this.write = (offset, buffer, start, length, flags) => this.#write(offset, buffer, start, length, (flags & WriteFlag.Fua) !== 0);
    if (can(TransmissionFlag.SendTrim)) this.discard = (offset, length) => session.run((client) => client.trim(offset, length));
    if (can(TransmissionFlag.SendWriteZeroes)) this.writeZeroes = (offset, length, flags) => this.#zero(offset, length, flags, fast);
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    if (length > this.#slice) return inSlices(length, this.#slice, (at, part) => this.read(offset + at, buffer, start + at, part));
    return this.session.run((client) => client.read(offset, buffer, start, length));
  }

  allocatedSize(): number {
    throw new BlockError('unsupported', 'An NBD server does not tell how much space an export takes', { driver: 'nbd' });
  }

  /** An export is as large as its server says. */
  truncate(size: number): Promise<void> {
    if (size === this.size) return Promise.resolve();
    return Promise.reject(new BlockError('unsupported', `Cannot ${size > this.size ? 'grow' : 'resize'} NBD nodes`, { driver: 'nbd' }));
  }

  async close(): Promise<void> {
    this.session.close();
  }

  #write(offset: number, buffer: Uint8Array, start: number, length: number, fua: boolean): Promise<void> {
    if (length > this.#slice) return inSlices(length, this.#slice, (at, part) => this.#write(offset + at, buffer, start + at, part, fua));
    return this.session.run((client) => client.write(offset, buffer, start, length, { fua }));
  }

  #zero(offset: number, length: number, flags: number, fast: boolean): Promise<void> {
    const has = (flag: number): boolean => (flags & flag) !== 0;
    const options = { fua: has(WriteFlag.Fua), unmap: has(WriteFlag.MayUnmap), fast: fast && has(WriteFlag.NoFallback) };
    return this.session.run((client) => client.writeZeroes(offset, length, options));
  }

  async #extent(contextId: number, offset: number, length: number): Promise<Extent> {
    const { alignment } = this.limits;
    const asked = Math.min(Math.ceil(length / alignment) * alignment, MAX_LENGTH, this.size - offset);
    const statuses = await this.session.run((client) => client.blockStatus(offset, asked, { one: true }));
    const runs = statuses.find((status) => status.contextId === contextId)?.runs;
    if (runs === undefined) throw new BlockError('io', `Protocol error: server sent no status of '${ALLOCATION}'`, { driver: 'nbd' });
    const [run, flags] = runs;
    const zero = (flags & ZERO) !== 0;
    // A hole that does not read as zeroes has to be read like data.
    return { length: Math.min(run, length), data: !zero || (flags & HOLE) === 0, zero, allocated: true, compressed: false, hostOffset: offset };
  }
}

function limitsOf({ blockSizes }: Negotiated): NodeLimits {
  if (blockSizes === undefined) return { ...NO_LIMITS, maxTransfer: DEFAULT_MAX_PAYLOAD, maxZeroes: MAX_LENGTH, maxDiscard: MAX_LENGTH };
  const { minimum, preferred, maximum } = blockSizes;
  return {
    ...NO_LIMITS,
    alignment: minimum,
    maxTransfer: Math.min(maximum, DEFAULT_MAX_PAYLOAD) & -minimum,
    optimalTransfer: preferred,
    zeroAlignment: minimum,
    maxZeroes: MAX_LENGTH,
    discardAlignment: minimum,
    maxDiscard: MAX_LENGTH,
  };
}
