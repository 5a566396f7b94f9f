/**
 * A backend: the door through which a device, an export, a job or a program uses a graph.
 *
 * It checks bounds, counts, applies the error policy, and holds requests back while its graph is drained or stopped. A
 * request that completes at once passes it without a promise.
 */
import { ThrottleMember, type Direction, type ThrottleGroup, type ThrottleLimits } from '@blk/throttle';
import { Attachment } from './attachment.js';
import { accessOf, type BackendOptions } from './backend-options.js';
import type { Completion } from './completion.js';
import { letThrough } from './drain.js';
import {
  actionFor,
  asBlockError,
  statusAfter,
  type BlockErrorAction,
  type IoStatus,
  type OnError,
  type Operation,
} from './error-policy.js';
import { BlockError, errnoOf } from './errors.js';
import type { ChainExtent } from './extent.js';
import { Permission, WriteFlag } from './flags.js';
import type { BlockGraph } from './graph.js';
import { chainExtents } from './io/extents.js';
import type { BlockNode } from './node.js';
import type { TruncateOptions } from './driver-node.js';
import { DeviceStatistics } from './statistics.js';
import { checkedLimits } from './throttling.js';

export class Backend extends Attachment {
  readonly statistics: DeviceStatistics;
  /** Error policies; unset for exports and tools, which get every error. */
  readonly readError: OnError | undefined;
  readonly writeError: OnError | undefined;
  writeThrough: boolean;
  ioStatus: IoStatus = 'ok';
  /** Called when the size of the node changed. */
  onResize: (() => void) | undefined;
  readonly #throttle: ThrottleMember;
  readonly #beside: boolean;
  #inFlight = 0;
  #held = 0;
  #stopped = false;
  #opened: (() => void)[] = [];
  #idle: (() => void)[] = [];

  private constructor(graph: BlockGraph, options: BackendOptions) {
    const name = options.name ?? '';
    super(graph, name, options.description ?? (name === '' ? 'an unnamed block device' : `block device '${name}'`));
    const { beside } = options;
    this.#beside = beside !== undefined;
    this.#throttle = beside === undefined ? new ThrottleMember() : beside.#throttle;
    this.statistics = beside?.statistics ?? new DeviceStatistics();
    this.writeThrough = options.writeThrough ?? false;
    this.readError = options.readError;
    this.writeError = options.writeError;
  }

  /** A backend over an open node. Throws, with nothing changed, where others object to what it wants. */
  static over(graph: BlockGraph, node: BlockNode, options: BackendOptions = {}): Backend {
    const backend = new Backend(graph, options);
    backend.#checkName();
    backend.attach(node, accessOf(options));
    if (backend.name !== '') graph.backends.set(backend.name, backend);
    return backend;
  }

  /** A device without a medium; `attach` inserts one. */
  static empty(graph: BlockGraph, options: BackendOptions & { readonly name: string }): Backend {
    const backend = new Backend(graph, options);
    backend.#checkName();
    graph.backends.set(backend.name, backend);
    return backend;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** The group whose limits hold for what goes through; undefined for none. */
  get throttleGroup(): ThrottleGroup | undefined {
    return this.#throttle.group;
  }

  /**
   * Limits what goes through, together with all that share the group: the one named, else the one before, else one of
   * the backend's own name. No limits at all: the backend leaves its group. Throws, with nothing changed, where they are wrong.
   */
  setThrottle(limits: ThrottleLimits, group?: string): void {
    checkedLimits(() => {
      this.graph.throttling.limit(this.#throttle, limits, group, this.name);
    });
  }

  /** Takes a node as the medium of a device, to read from it and, where it can be written, to write to it. */
  insert(node: BlockNode): void {
    this.attach(node, accessOf({ writable: !node.readOnly }));
    this.onResize?.();
  }

  /** Lets the node go; it closes where nobody else uses it. Waits for requests under way. */
  async detach(): Promise<void> {
    const root = this.edge;
    if (root === undefined) return;
    // One beside another waits for its limits: letting go of them would let the other's requests through.
    const holdBack = this.#beside ? undefined : letThrough([root.node]);
    if (!this.#beside) this.#throttle.letThrough();
    await this.idle();
    if (!this.#beside) this.#throttle.holdBack();
    holdBack?.();
    this.letGo(root);
    // Requests that a stop held back are tried once more, and find no medium.
    this.restart();
    await this.graph.collect(root.node);
  }

  /** Flushes, detaches, and takes the name out of the graph. */
  async close(): Promise<void> {
    try {
      // A device that stopped for an error would hold a flush of its own back for ever.
      const flushed = this.edge === undefined || this.readOnly ? undefined : this.#stopped ? this.root.flush() : this.flush();
      if (flushed !== undefined) await flushed;
    } finally {
      await this.detach();
      if (!this.#beside) this.graph.throttling.join(this.#throttle, undefined);
      if (this.graph.backends.get(this.name) === this) this.graph.backends.delete(this.name);
    }
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (this.#held > 0) return this.#whenOpen(() => this.read(offset, buffer, start, length));
    const { root } = this;
    if (!isRange(offset, length, root.size)) throw this.#outOfRange(offset, length);
    const began = this.graph.host.clock.now();
    if (!this.#throttle.admit('read', length)) {
      return this.#whenAllowed('read', length, () => {
        this.checkRange(offset, length);
        return this.#read(this.root, offset, buffer, start, length, began);
      });
    }
    return this.#read(root, offset, buffer, start, length, began);
  }

  #read(root: BlockNode, offset: number, buffer: Uint8Array, start: number, length: number, began: number): Completion {
    let done: Completion;
    try {
      done = root.read(offset, buffer, start, length);
    } catch (error) {
      return this.#failed('read', error, () => this.read(offset, buffer, start, length));
    }
    if (done !== undefined) {
      return this.#finish(done, 'read', length, began, () => this.read(offset, buffer, start, length));
    }
    this.statistics.succeeded('read', length, this.graph.host.clock.now() - began);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags = 0): Completion {
    if (this.#held > 0) return this.#whenOpen(() => this.write(offset, buffer, start, length, flags));
    const { root } = this;
    this.#checkWrite(root, offset, length);
    const began = this.graph.host.clock.now();
    if (!this.#throttle.admit('write', length)) {
      return this.#whenAllowed('write', length, () => {
        this.#checkWrite(this.root, offset, length);
        return this.#write(this.root, offset, buffer, start, length, flags, began);
      });
    }
    return this.#write(root, offset, buffer, start, length, flags, began);
  }

  #write(root: BlockNode, offset: number, buffer: Uint8Array, start: number, length: number, flags: number, began: number): Completion {
    let done: Completion;
    try {
      done = root.write(offset, buffer, start, length, this.writeThrough ? flags | WriteFlag.Fua : flags);
    } catch (error) {
      return this.#failed('write', error, () => this.write(offset, buffer, start, length, flags));
    }
    if (done !== undefined) {
      return this.#finish(done, 'write', length, began, () => this.write(offset, buffer, start, length, flags));
    }
    this.statistics.succeeded('write', length, this.graph.host.clock.now() - began);
  }

  writeZeroes(offset: number, length: number, flags = 0): Completion {
    return this.#change(offset, length, length, (root) =>
      root.writeZeroes(offset, length, this.writeThrough ? flags | WriteFlag.Fua : flags),
    );
  }

  discard(offset: number, length: number): Completion {
    return this.#change(offset, length, undefined, (root) => root.discard(offset, length));
  }

  /** All writes that completed before are on stable storage when this completes. */
  flush(): Completion {
    if (this.#held > 0) return this.#whenOpen(() => this.flush());
    const began = this.graph.host.clock.now();
    let done: Completion;
    try {
      done = this.root.flush();
    } catch (error) {
      return this.#failed('flush', error, () => this.flush());
    }
    if (done !== undefined) return this.#finish(done, 'flush', 0, began, () => this.flush());
    this.statistics.succeeded('flush', 0, this.graph.host.clock.now() - began);
  }

  /** The extents of a range through the backing chain. */
  async *extents(offset = 0, length = this.size - offset): AsyncGenerator<ChainExtent, void, undefined> {
    yield* chainExtents(this.root, offset, length);
  }

  /** Changes the size of the image, in a drained section. Throws kind `busy` where other users of the node do not allow it. */
  async truncate(size: number, options?: TruncateOptions): Promise<void> {
    const { root, edge } = this;
    if (edge === undefined) return;
    const { access } = edge;
    this.setAccess({ ...access, permissions: access.permissions | Permission.Resize });
    try {
      await this.graph.drained([root], () => root.truncate(size, options));
    } finally {
      this.setAccess(access);
    }
  }

  /** Goes on after a stop that the error policy made: the failed requests are tried again. */
  restart(): void {
    this.ioStatus = 'ok';
    if (!this.#stopped) return;
    this.#stopped = false;
    this.resume();
  }

  quiesce(): void {
    // What waits for its limits goes now: a drained section need not last as long as they say.
    this.#held++;
    this.#throttle.letThrough();
  }
  resume(): void {
    this.#throttle.holdBack();
    if (--this.#held > 0) return;
    const waiting = this.#opened;
    this.#opened = [];
    for (const wake of waiting) wake();
  }
  async idle(): Promise<void> {
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
  resized(): void {
    this.onResize?.();
  }

  /** A change without data. `counted`: bytes to account as written; undefined: not accounted. */
  #change(offset: number, length: number, counted: number | undefined, request: (root: BlockNode) => Completion): Completion {
    if (this.#held > 0) return this.#whenOpen(() => this.#change(offset, length, counted, request));
    const { root } = this;
    this.#checkWrite(root, offset, length);
    const began = this.graph.host.clock.now();
    // Giving space back is not limited, as in QEMU: it moves no data.
    if (counted !== undefined && !this.#throttle.admit('write', length)) {
      return this.#whenAllowed('write', length, () => {
        this.#checkWrite(this.root, offset, length);
        return this.#apply(this.root, offset, length, counted, request, began);
      });
    }
    return this.#apply(root, offset, length, counted, request, began);
  }

  #apply(
    root: BlockNode,
    offset: number,
    length: number,
    counted: number | undefined,
    request: (root: BlockNode) => Completion,
    began: number,
  ): Completion {
    const again = (): Completion => this.#change(offset, length, counted, request);
    let done: Completion;
    try {
      done = request(root);
    } catch (error) {
      return this.#failed('write', error, again);
    }
    if (done !== undefined) return this.#finish(done, 'write', counted, began, again);
    if (counted !== undefined) this.statistics.succeeded('write', counted, this.graph.host.clock.now() - began);
  }

  /** Throws kind `out-of-range` unless both are whole numbers of bytes inside the image. */
  checkRange(offset: number, length: number): void {
    if (!isRange(offset, length, this.root.size)) throw this.#outOfRange(offset, length);
  }

  #checkName(): void {
    const { name, graph } = this;
    if (name === '') return;
    if (graph.backends.has(name)) throw new BlockError('exists', `Device with id '${name}' already exists`);
    if (graph.findNode(name)) throw new BlockError('exists', `Device name '${name}' conflicts with an existing node name`);
  }

  #checkWrite(root: BlockNode, offset: number, length: number): void {
    if (this.readOnly) throw new BlockError('read-only', `${this.description} is read-only`);
    if (!isRange(offset, length, root.size)) throw this.#outOfRange(offset, length);
  }

  #outOfRange(offset: number, length: number): BlockError {
    return new BlockError('out-of-range', `Request at ${offset} of ${length} bytes is not within the ${this.size} bytes of the device`);
  }

  /** Runs a request when the limits allow it; until then it is under way. */
  async #whenAllowed(direction: Direction, length: number, request: () => Completion): Promise<void> {
    this.#inFlight++;
    await this.#throttle.wait(direction, length);
    // Nobody who waits for an idle backend looks before this turn is over.
    this.#left();
    const done = request();
    if (done !== undefined) await done;
  }

  async #whenOpen(request: () => Completion): Promise<void> {
    await new Promise<void>((resolve) => this.#opened.push(resolve));
    const done = request();
    if (done !== undefined) await done;
  }

  async #finish(
    done: Promise<void>,
    operation: Operation,
    counted: number | undefined,
    began: number,
    again: () => Completion,
  ): Promise<void> {
    this.#inFlight++;
    try {
      await done;
    } catch (error) {
      this.#left();
      const handled = this.#failed(operation, error, again);
      if (handled !== undefined) await handled;
      return;
    }
    if (counted !== undefined) this.statistics.succeeded(operation, counted, this.graph.host.clock.now() - began);
    this.#left();
  }

  #left(): void {
    if (--this.#inFlight > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const wake of waiting) wake();
  }

  /** Applies the error policy: throws, swallows, or holds the request until the device goes on. */
  #failed(operation: Operation, thrown: unknown, again: () => Completion): Completion {
    const error = asBlockError(thrown);
    this.statistics.failed(operation);
    const policy = operation === 'read' ? this.readError : this.writeError;
    if (policy === undefined) throw error;
    const errno = errnoOf(error);
    const action: BlockErrorAction = actionFor(policy, errno);
    if (action === 'stop') {
      if (this.ioStatus === 'ok') this.ioStatus = statusAfter(errno);
      // Once, however many requests fail: one `restart` has to do.
      if (!this.#stopped) this.quiesce();
      this.#stopped = true;
    }
    this.graph.emit({ type: 'io-error', backend: this, operation, action, error });
    if (action === 'report') throw error;
    return action === 'stop' ? this.#whenOpen(again) : undefined;
  }
}

/** Whether both are whole numbers of bytes, and inside the image. */
function isRange(offset: number, length: number, size: number): boolean {
  return offset >= 0 && length >= 0 && offset + length <= size && Number.isInteger(offset) && Number.isInteger(length);
}
