/** The NBD server of a server, and what it gives out. The protocol's code is loaded when the first server starts. */
import { Backend, BlockError, type BlockGraph, type DirtyBitmap } from '@blk/core-graph';
import type { ListenTarget, NbdServer, NbdTls, RemoveMode } from '@blk/nbd';
import { genericError } from '../errors.js';
import { bindError, checkDescriptor, checkSocketPath } from '../net/listen.js';

export interface NbdStartOptions {
  readonly tls?: NbdTls;
  /** Clients at the same time; 0: any number. */
  readonly maxConnections?: number;
}

export interface ExportRequest {
  /** Unique among exports. */
  readonly id: string;
  /** A device, whose policies and counters then hold for the clients, or a node by its name. */
  readonly source: Backend | { readonly node: string };
  /** As clients ask for it. */
  readonly name: string;
  readonly writable?: boolean;
  readonly description?: string;
  readonly writeThrough?: boolean;
  readonly allocationDepth?: boolean;
  /** Dirty bitmaps that clients may read; theirs alone as long as the export is there. */
  readonly bitmaps?: readonly DirtyBitmap[];
}

/** One export that is there. */
export interface ExportEntry {
  readonly id: string;
  readonly name: string;
  readonly backend: Backend;
  /** The backend was made for this export, and ends with it. */
  readonly owned: boolean;
  readonly bitmaps: readonly DirtyBitmap[];
}

export class Exports {
  readonly #entries = new Map<string, ExportEntry>();
  #nbd: NbdServer | undefined;
  #starting = false;

  /** `deleted`: told of each export that is gone. */
  constructor(
    private readonly graph: BlockGraph,
    private readonly deleted: (id: string) => void = () => undefined,
  ) {}

  /** The running NBD server, if there is one. */
  get nbd(): NbdServer | undefined {
    return this.#nbd;
  }
  get entries(): ReadonlyMap<string, ExportEntry> {
    return this.#entries;
  }

  /** Whether the device has an export. */
  uses(backend: Backend): boolean {
    return [...this.#entries.values()].some((entry) => entry.backend === backend);
  }

  /** Starts the NBD server; resolves with where it listens. */
  async start(target: ListenTarget, options: NbdStartOptions = {}): Promise<ListenTarget> {
    if (this.#nbd !== undefined || this.#starting) throw genericError('NBD server already running');
    if ('path' in target) checkSocketPath(target.path);
    else if ('fd' in target) checkDescriptor(target.fd);
    this.#starting = true;
    try {
      const { NbdServer } = await import('@blk/nbd');
      const server = new NbdServer({ ...options, pool: this.graph.pool });
      try {
        const address = await server.listen(target);
        this.#nbd = server;
        return address;
      } catch (error) {
        throw bindError('path' in target || 'fd' in target ? target : { host: '', port: 0, ...target }, error);
      }
    } finally {
      this.#starting = false;
    }
  }

  /** Gives out a device or node. Throws, with nothing changed, where it cannot. */
  add(request: ExportRequest): ExportEntry {
    const { id, name, writable = false } = request;
    if (this.#entries.has(id)) throw genericError(`Block export id '${id}' is already in use`);
    const source = request.source instanceof Backend ? request.source : this.graph.node(request.source.node);
    if (this.#nbd === undefined) throw genericError('NBD server not running');
    if (writable && source.readOnly) throw genericError('Cannot export read-only node as writable');
    const bitmaps = [...new Set(request.bitmaps)];
    for (const bitmap of bitmaps) checkExportable(bitmap, writable, source.readOnly);
    const owned = !(source instanceof Backend);
    const backend = source instanceof Backend ? source : Backend.over(this.graph, source, { writable, writeThrough: request.writeThrough ?? false });
    try {
      this.#nbd.addExport({
        name,
        source: backend,
        writable,
        ...(request.description === undefined ? {} : { description: request.description }),
        allocationDepth: request.allocationDepth ?? false,
        bitmaps,
      });
    } catch (error) {
      if (owned) void backend.detach();
      throw error;
    }
    for (const bitmap of bitmaps) bitmap.hold();
    const entry: ExportEntry = { id, name, backend, owned, bitmaps };
    this.#entries.set(id, entry);
    return entry;
  }

  /** Withdraws an export by the name that clients know. */
  async remove(name: string, mode: RemoveMode = 'safe'): Promise<void> {
    const entry = [...this.#entries.values()].find((candidate) => candidate.name === name);
    if (entry === undefined || this.#nbd === undefined) throw genericError(`Export '${name}' is not found`);
    // A client that has left, but whose end this process has yet to read from its socket, is no user.
    if (mode === 'safe' && (this.#nbd.exports.get(name)?.connections.size ?? 0) > 0) await eventLoopTurns(2);
    try {
      await this.#nbd?.removeExport(name, { mode });
    } catch (error) {
      if (error instanceof BlockError && error.kind === 'busy') throw genericError(`export '${name}' still in use`, error);
      throw error;
    }
    this.#entries.delete(entry.id);
    await release(entry);
    this.deleted(entry.id);
  }

  /** Withdraws what a device gives out, whoever uses it: its medium goes. */
  async withdraw(backend: Backend): Promise<void> {
    for (const entry of [...this.#entries.values()]) if (entry.backend === backend) await this.remove(entry.name, 'hard');
  }

  /** Cuts the clients off, withdraws everything and stops listening. */
  async stop(): Promise<void> {
    if (this.#nbd === undefined) throw genericError('NBD server not running');
    await this.#end({ force: true });
  }

  /** The same, but what is under way is answered first, for at most `timeout` milliseconds. */
  async close(timeout: number): Promise<void> {
    if (this.#nbd !== undefined) await this.#end({ timeout });
  }

  async #end(how: { readonly force?: boolean; readonly timeout?: number }): Promise<void> {
    const server = this.#nbd;
    const entries = [...this.#entries.values()];
    this.#nbd = undefined;
    this.#entries.clear();
    let failed: { readonly error: unknown } | undefined;
    try {
      await server?.close(how);
    } catch (error) {
      failed = { error };
    }
    for (const entry of entries) {
      await release(entry).catch((error: unknown) => (failed ??= { error }));
      this.deleted(entry.id);
    }
    if (failed !== undefined) throw failed.error;
  }
}

async function eventLoopTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Throws where clients must not see the bitmap: somebody works with it, or it changes under those who cannot see why. */
function checkExportable(bitmap: DirtyBitmap, writable: boolean, readOnly: boolean): void {
  bitmap.checkUsable();
  if (!writable && !readOnly && bitmap.recording) throw genericError(`Enabled bitmap '${bitmap.name}' incompatible with readonly export`);
}

/** Lets go of a backend that was the export's own. What clients wrote is flushed. */
async function release({ backend, owned, bitmaps }: ExportEntry): Promise<void> {
  for (const bitmap of bitmaps) bitmap.release();
  if (owned) await backend.close();
}
