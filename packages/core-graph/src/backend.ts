/**
 * A backend: the door through which a device, an export, a job or a program uses a graph.
 *
 * It checks bounds, counts, applies the error policy, and holds requests back while its graph is drained or stopped. A
 * request that completes at once passes it without a promise.
 */
import { accessOf, type BackendOptions } from './backend-options.js';
import { letStoppedGoOn } from './breakpoints.js';
import type { Completion } from './completion.js';
import { Device, isRange } from './device.js';
import { actionFor, asBlockError, statusAfter, type BlockErrorAction, type Operation } from './error-policy.js';
import { errnoOf } from './errors.js';
import type { ChainExtent } from './extent.js';
import { Permission, WriteFlag } from './flags.js';
import type { BlockGraph } from './graph.js';
import { chainExtents } from './io/extents.js';
import type { BlockNode } from './node.js';
import type { TruncateOptions } from './driver-node.js';

export class Backend extends Device {
  /** A backend over an open node. Throws, with nothing changed, where others object to what it wants. */
  static over(graph: BlockGraph, node: BlockNode, options: BackendOptions = {}): Backend {
    const backend = new Backend(graph, options);
    backend.checkName();
    backend.attach(node, accessOf(options));
    if (backend.name !== '') graph.backends.set(backend.name, backend);
    return backend;
  }

  /** A device without a medium; `attach` inserts one. */
  static empty(graph: BlockGraph, options: BackendOptions & { readonly name: string }): Backend {
    const backend = new Backend(graph, options);
    backend.checkName();
    graph.backends.set(backend.name, backend);
    return backend;
  }

  /** Flushes, detaches, and takes the name out of the graph. */
  async close(): Promise<void> {
    if (this.edge !== undefined) letStoppedGoOn(this.root);
    try {
      // A device that stopped for an error would hold a flush of its own back for ever.
      const flushed = this.edge === undefined || this.readOnly ? undefined : this.stopped ? this.root.flush() : this.flush();
      if (flushed !== undefined) await flushed;
    } finally {
      await this.detach();
      if (!this.beside) this.graph.throttling.join(this.throttle, undefined);
      if (this.graph.backends.get(this.name) === this) this.graph.backends.delete(this.name);
    }
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (this.gate.closed) return this.gate.whenOpen(() => this.read(offset, buffer, start, length));
    const { root } = this;
    if (!isRange(offset, length, root.size)) throw this.outOfRange(offset, length);
    const began = this.graph.host.clock.now();
    if (!this.throttle.admit('read', length)) {
      return this.gate.whenAllowed('read', length, () => {
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
    if (this.gate.closed) return this.gate.whenOpen(() => this.write(offset, buffer, start, length, flags));
    const { root } = this;
    this.checkWrite(root, offset, length);
    const began = this.graph.host.clock.now();
    if (!this.throttle.admit('write', length)) {
      return this.gate.whenAllowed('write', length, () => {
        this.checkWrite(this.root, offset, length);
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
    if (this.gate.closed) return this.gate.whenOpen(() => this.flush());
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

  /** A change without data. `counted`: bytes to account as written; undefined: not accounted. */
  #change(offset: number, length: number, counted: number | undefined, request: (root: BlockNode) => Completion): Completion {
    if (this.gate.closed) return this.gate.whenOpen(() => this.#change(offset, length, counted, request));
    const { root } = this;
    this.checkWrite(root, offset, length);
    const began = this.graph.host.clock.now();
    // Giving space back is not limited, as in QEMU: it moves no data.
    if (counted !== undefined && !this.throttle.admit('write', length)) {
      return this.gate.whenAllowed('write', length, () => {
        this.checkWrite(this.root, offset, length);
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

  async #finish(
    done: Promise<void>,
    operation: Operation,
    counted: number | undefined,
    began: number,
    again: () => Completion,
  ): Promise<void> {
    this.gate.enter();
    try {
      await done;
    } catch (error) {
      this.gate.leave();
      const handled = this.#failed(operation, error, again);
      if (handled !== undefined) await handled;
      return;
    }
    if (counted !== undefined) this.statistics.succeeded(operation, counted, this.graph.host.clock.now() - began);
    this.gate.leave();
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
      if (!this.stopped) this.quiesce();
      this.stopped = true;
    }
    this.graph.emit({ type: 'io-error', backend: this, operation, action, error });
    if (action === 'report') throw error;
    return action === 'stop' ? this.gate.whenOpen(again) : undefined;
  }
}
