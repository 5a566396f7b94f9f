/**
 * What a backend is beside its requests: a name, a medium or none, limits, a count of what went through, and the gate that holds requests
 * back while its graph is drained or stopped.
 */
import { ThrottleMember, type ThrottleGroup, type ThrottleLimits } from '@blk/throttle';
import { Attachment } from './attachment.js';
import { accessOf, type BackendOptions } from './backend-options.js';
import { letThrough } from './drain.js';
import type { IoStatus, OnError } from './error-policy.js';
import { BlockError } from './errors.js';
import type { BlockGraph } from './graph.js';
import type { BlockNode } from './node.js';
import { RequestGate } from './request-gate.js';
import { DeviceStatistics } from './statistics.js';
import { checkedLimits } from './throttling.js';

export abstract class Device extends Attachment {
  readonly statistics: DeviceStatistics;
  /** Error policies; unset for exports and tools, which get every error. */
  readonly readError: OnError | undefined;
  readonly writeError: OnError | undefined;
  writeThrough: boolean;
  ioStatus: IoStatus = 'ok';
  /** Called when the size of the node changed. */
  onResize: (() => void) | undefined;
  protected readonly throttle: ThrottleMember;
  protected readonly gate: RequestGate;
  /** Counts and is limited as another one. */
  protected readonly beside: boolean;
  /** An error stopped it, until `restart`. */
  protected stopped = false;

  protected constructor(graph: BlockGraph, options: BackendOptions) {
    const name = options.name ?? '';
    super(graph, name, options.description ?? (name === '' ? 'an unnamed block device' : `block device '${name}'`));
    const { beside } = options;
    this.beside = beside !== undefined;
    this.throttle = beside === undefined ? new ThrottleMember() : beside.throttle;
    this.gate = new RequestGate(this.throttle);
    this.statistics = beside?.statistics ?? new DeviceStatistics();
    this.writeThrough = options.writeThrough ?? false;
    this.readError = options.readError;
    this.writeError = options.writeError;
  }

  get inFlight(): number {
    return this.gate.inFlight;
  }
  /** A request has to come through this door: it may have to wait, for a drained section or for limits, or its failure is not for whoever asked. */
  get held(): boolean {
    return this.gate.closed || this.throttle.group !== undefined || this.writeError !== undefined;
  }

  /** The group whose limits hold for what goes through; undefined for none. */
  get throttleGroup(): ThrottleGroup | undefined {
    return this.throttle.group;
  }

  /**
   * Limits what goes through, together with all that share the group: the one named, else the one before, else one of
   * the backend's own name. No limits at all: the backend leaves its group. Throws, with nothing changed, where they are wrong.
   */
  setThrottle(limits: ThrottleLimits, group?: string): void {
    checkedLimits(() => {
      this.graph.throttling.limit(this.throttle, limits, group, this.name);
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
    const holdBack = this.beside ? undefined : letThrough([root.node]);
    if (!this.beside) this.throttle.letThrough();
    await this.idle();
    if (!this.beside) this.throttle.holdBack();
    holdBack?.();
    this.letGo(root);
    // Requests that a stop held back are tried once more, and find no medium.
    this.restart();
    await this.graph.collect(root.node);
  }

  /** Goes on after a stop that the error policy made: the failed requests are tried again. */
  restart(): void {
    this.ioStatus = 'ok';
    if (!this.stopped) return;
    this.stopped = false;
    this.resume();
  }

  quiesce(): void {
    this.gate.close();
  }
  resume(): void {
    this.gate.open();
  }
  idle(): Promise<void> {
    return this.gate.whenIdle();
  }
  resized(): void {
    this.onResize?.();
  }

  /** Throws kind `out-of-range` unless both are whole numbers of bytes inside the image. */
  checkRange(offset: number, length: number): void {
    if (!isRange(offset, length, this.root.size)) throw this.outOfRange(offset, length);
  }

  /** Throws where its name is another's. */
  protected checkName(): void {
    const { name, graph } = this;
    if (name === '') return;
    if (graph.backends.has(name)) throw new BlockError('exists', `Device with id '${name}' already exists`);
    if (graph.findNode(name)) throw new BlockError('exists', `Device name '${name}' conflicts with an existing node name`);
  }

  protected checkWrite(root: BlockNode, offset: number, length: number): void {
    if (this.readOnly) throw new BlockError('read-only', `${this.description} is read-only`);
    if (!isRange(offset, length, root.size)) throw this.outOfRange(offset, length);
  }

  protected outOfRange(offset: number, length: number): BlockError {
    return new BlockError('out-of-range', `Request at ${offset} of ${length} bytes is not within the ${this.size} bytes of the device`);
  }
}

/** Whether both are whole numbers of bytes, and inside the image. */
export function isRange(offset: number, length: number, size: number): boolean {
  return offset >= 0 && length >= 0 && offset + length <= size && Number.isInteger(offset) && Number.isInteger(length);
}
