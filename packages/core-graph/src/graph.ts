/** The graph: which drivers there are, which nodes by which names, and who is told of what happens. */
import { ThrottleGroups } from '@blk/throttle';
import { letStoppedGoOn } from './breakpoints.js';
import { BufferPool } from './buffer-pool.js';
import type { BlockDriver } from './driver.js';
import type { CredentialLookup, Host, SecretLookup } from './driver-context.js';
import { createImage, type CreateRequest } from './create.js';
import { drained } from './drain.js';
import type { Edge } from './edge.js';
import { BlockError } from './errors.js';
import { checkedSecrets, checkGraphOptions, checkOpenOptions, checkSource } from './face-arguments.js';
import { openStateOf, type GraphEvent, type GraphOptions, type OpenOptions } from './graph-options.js';
import { hostOf } from './host.js';
import type { BlockNode } from './node.js';
import { openDefinition } from './open/open-node.js';
import { openFilename } from './open/open-filename.js';
import type { Definition } from './open/definition.js';
import { changeAccess } from './permissions.js';
import { TRUSTED, type ImagePolicy } from './policy.js';
import { Backend } from './backend.js';
import type { BackendOptions } from './backend-options.js';

export class BlockGraph {
  readonly drivers: ReadonlyMap<string, BlockDriver>;
  readonly pool: BufferPool;
  readonly host: Host;
  readonly policy: ImagePolicy;
  readonly secret: SecretLookup;
  readonly credentials: CredentialLookup | undefined;
  readonly backends = new Map<string, Backend>();
  /** Asked by `checkFree`; each throws kind `busy` for a node that it works on. */
  readonly guards = new Set<(node: BlockNode) => void>();
  /** Groups that share limits of I/O. */
  readonly throttling: ThrottleGroups;
  readonly #nodes = new Map<string, BlockNode>();
  readonly #reserved = new Set<string>();
  readonly #owned = new Set<BlockNode>();
  readonly #listeners = new Set<(event: GraphEvent) => void>();
  #nextName = 0;

  constructor(options: GraphOptions) {
    checkGraphOptions(options);
    this.drivers = new Map(options.drivers.map((driver) => [driver.name, driver]));
    this.policy = options.policy ?? TRUSTED;
    this.pool = options.pool ?? new BufferPool();
    this.host = hostOf(options.host);
    this.throttling = new ThrottleGroups(this.host.clock);
    this.secret = options.secrets === undefined ? noSecret : checkedSecrets(options.secrets);
    this.credentials = options.credentials;
  }

  /** All nodes in the order in which they were opened. */
  get nodes(): Iterable<BlockNode> {
    return this.#nodes.values();
  }

  driver(name: string): BlockDriver {
    const driver = this.drivers.get(name);
    if (!driver) throw new BlockError('invalid-argument', `Unknown driver '${name}'`);
    return driver;
  }

  /** The node of this name. Throws kind `not-found`. */
  node(name: string): BlockNode {
    const node = this.#nodes.get(name);
    if (!node) throw new BlockError('not-found', `Cannot find device='' nor node-name='${name}'`, { node: name });
    return node;
  }

  findNode(name: string): BlockNode | undefined {
    return this.#nodes.get(name);
  }

  /**
   * Opens an image by file name or definition. The node belongs to the caller until `release`; it stays open as long as
   * somebody owns it or holds an edge to it.
   */
  async open(source: string | Definition, options: OpenOptions = {}): Promise<BlockNode> {
    checkSource(source);
    checkOpenOptions(options);
    const state = openStateOf(options, this.policy);
    const extra: Definition = {
      ...(options.format === undefined ? {} : { driver: options.format }),
      ...(options.detectZeroes === undefined ? {} : { 'detect-zeroes': options.detectZeroes }),
      ...(options.copyOnRead === undefined ? {} : { 'copy-on-read': options.copyOnRead }),
    };
    const node =
      typeof source === 'string'
        ? await openFilename(this, source, extra, state)
        : await openDefinition(this, { ...extra, ...source }, state);
    this.#owned.add(node);
    return node;
  }

  /** Opens an image with a backend as its user; closing the backend closes the image. */
  async openBackend(source: string | Definition, options: OpenOptions & BackendOptions = {}): Promise<Backend> {
    const node = await this.open(source, options);
    try {
      return Backend.over(this, node, { writable: !node.readOnly, ...options });
    } finally {
      await this.release(node);
    }
  }

  /** Creates an image, as `qemu-img create` does. */
  async create(filename: string, request: CreateRequest): Promise<void> {
    await createImage(this, filename, request);
  }

  /** Throws kind `busy` where somebody works on the node who can't bear that its size or its place among others changes: a job. */
  checkFree(node: BlockNode): void {
    for (const guard of this.guards) guard(node);
  }

  /** Whether the node is held by its name, as `blockdev-add` leaves it. */
  isOwned(node: BlockNode): boolean {
    return this.#owned.has(node);
  }

  /** Ends the ownership that `open` gave; closes the node where nobody else uses it. */
  async release(node: BlockNode): Promise<void> {
    this.#owned.delete(node);
    await this.collect(node);
  }

  /** Closes the node, then its children, where neither an owner nor a parent is left. */
  async collect(node: BlockNode): Promise<void> {
    // One that is not in the list is being closed already.
    if (node.parents.size > 0 || this.#owned.has(node) || this.#nodes.get(node.name) !== node) return;
    await this.discardNode(node);
  }

  /** Runs `section` while the nodes are quiet. */
  async drained<T>(nodes: Iterable<BlockNode>, section: () => Promise<T> | T): Promise<T> {
    return drained(nodes, section);
  }

  /** Flushes every node that can be written. Errors of all are gathered in one. */
  async flushAll(): Promise<void> {
    const failed: unknown[] = [];
    for (const node of [...this.#nodes.values()]) {
      if (node.readOnly || node.closed) continue;
      try {
        const done = node.flush();
        if (done !== undefined) await done;
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw failed[0];
  }

  /** Closes everything: backends, then nodes from the top. What fails does not keep the rest open; the first error is thrown. */
  async close(): Promise<void> {
    const failed: unknown[] = [];
    const attempt = (closing: Promise<void>): Promise<void> => closing.catch((error: unknown) => void failed.push(error));
    for (const backend of [...this.backends.values()]) await attempt(backend.close());
    for (const node of [...this.#owned].reverse()) await attempt(this.release(node));
    if (failed.length > 0) throw failed[0];
  }

  subscribe(listener: (event: GraphEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Part of the graph's own machinery, like what follows: tells the listeners. */
  emit(event: GraphEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** A free node name: the wanted one, checked, or a new one. Belongs to the caller until `addNode` or `discardNode`. */
  reserveName(wanted: string | undefined): string {
    const name = wanted ?? this.#freshName();
    if (wanted !== undefined) this.#checkName(wanted);
    this.#reserved.add(name);
    return name;
  }

  addNode(node: BlockNode): void {
    this.#reserved.delete(node.name);
    this.#nodes.set(node.name, node);
  }

  /** Closes a node whatever uses it: one that has no users left, or one that could not be opened. */
  async discardNode(node: BlockNode): Promise<void> {
    this.#reserved.delete(node.name);
    if (this.#nodes.get(node.name) === node) this.#nodes.delete(node.name);
    letStoppedGoOn(node);
    await node.requests.idle();
    try {
      // One that could not be opened again has no driver any more.
      if (!node.closed) {
        node.closed = true;
        if (node.driver !== undefined) {
          node.updatePaths();
          await closeDriver(node);
        }
      }
    } finally {
      const children = [...node.children.values()];
      node.children.clear();
      await this.#letGo(children);
    }
  }

  /** Gives up the children of a node that is closed; those that nobody else uses close, and one that fails does not keep the others open. */
  async #letGo(children: readonly Edge[]): Promise<void> {
    const failed: unknown[] = [];
    for (const edge of children) {
      edge.node.parents.delete(edge);
      changeAccess((transaction) => {
        transaction.refresh(edge.node);
      });
      await this.collect(edge.node).catch((error: unknown) => void failed.push(error));
    }
    if (failed.length > 0) throw failed[0];
  }

  #freshName(): string {
    let name: string;
    do name = `#block${String(this.#nextName++).padStart(3, '0')}`;
    while (this.#nodes.has(name) || this.#reserved.has(name));
    return name;
  }

  #checkName(name: string): void {
    if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(name)) throw new BlockError('invalid-argument', `Invalid node-name: '${name}'`);
    if (name.length > 31) throw new BlockError('invalid-argument', `Node name too long`);
    if (this.backends.has(name)) {
      throw new BlockError('exists', `node-name=${name} is conflicting with a device id`);
    }
    if (this.#nodes.has(name) || this.#reserved.has(name)) throw new BlockError('exists', `Duplicate nodes with node-name='${name}'`);
  }
}

function noSecret(id: string): never {
  throw new BlockError('not-found', `No secret with id '${id}'`);
}

/** Bitmaps that the image keeps are stored last; where that fails the image is closed all the same. */
async function closeDriver(node: BlockNode): Promise<void> {
  const { driver } = node;
  // Whoever works with a bitmap has not finished: what it had and what was written since are both stored.
  for (const bitmap of node.bitmaps) bitmap.thaw('kept');
  try {
    if (!node.readOnly) await driver.persistentBitmaps?.store([...node.bitmaps].filter(({ persistent }) => persistent));
  } finally {
    await driver.close();
  }
}
