/** Internal snapshots of an image file: listing them, taking, applying and deleting one, and finding one to read from. */
import {
  applySnapshot, Backend, BlockError, deleteSnapshot, errnoNumber, errnoOf, findByIdOrName, findSnapshot, messageOf, Permission, showSnapshot,
  strerror, takeSnapshot, type BlockGraph, type BlockNode, type SnapshotInfo,
} from '@blk/core-graph';
import { splitOptions } from './create/options.js';
import { openSource, type AnySource } from './open.js';

export interface SnapshotOptions {
  readonly format?: string;
  readonly forceShare?: boolean;
  readonly signal?: AbortSignal;
}

/** The snapshots in the order in which the image lists them; none where its format has none. */
export async function listSnapshots(graph: BlockGraph, source: AnySource, options: SnapshotOptions = {}): Promise<readonly SnapshotInfo[]> {
  const node = await openSource(graph, source, { ...options, readOnly: true, noBacking: true, noIo: true });
  try {
    return node.driver.snapshots?.list ?? [];
  } finally {
    await graph.release(node);
  }
}

export type SnapshotAction =
  /** Keeps the present content under a name, which may be there already. */
  | 'create'
  /** Brings the content of the snapshot with this id, or else this name, back. */
  | 'apply'
  /** Deletes the first snapshot of this name. */
  | 'delete';

/** Changes the snapshots of an image. Throws `Could not … snapshot 'name': …` with the image as it was where it can't. */
export async function changeSnapshots(
  graph: BlockGraph,
  source: AnySource,
  action: SnapshotAction,
  name: string,
  options: SnapshotOptions = {},
): Promise<void> {
  const node = await openSource(graph, source, { ...options, discard: true, noBacking: true });
  try {
    const backend = Backend.over(graph, node, { writable: true, resizable: true, shared: Permission.All & ~Permission.Resize });
    try {
      await ACTIONS[action](node, name);
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      throw new BlockError(error.kind, `Could not ${action} snapshot '${name}': ${detail(action, error)}`, error.context, error);
    } finally {
      await backend.close();
    }
  } finally {
    await graph.release(node);
  }
}

const ACTIONS: Readonly<Record<SnapshotAction, (node: BlockNode, name: string) => Promise<void>>> = {
  async create(node, name) {
    const now = Date.now();
    const dateSec = Math.floor(now / 1000);
    await takeSnapshot(node, { name, dateSec, dateNsec: (now - dateSec * 1000) * 1_000_000, icount: 0n });
  },
  async apply(node, name) {
    const { snapshots } = node.driver;
    if (snapshots === undefined) throw new BlockError('unsupported', 'Block driver does not support snapshots');
    if (node.bitmaps.size > 0) throw new BlockError('busy', 'Device has active dirty bitmaps');
    if (snapshots.refused === true) throw new BlockError('unsupported', `Failed to load snapshot: ${strerror('ENOTSUP')}`);
    const found = findByIdOrName(snapshots.list, name);
    if (found === undefined) throw new BlockError('not-found', 'Failed to load snapshot: No such file or directory');
    await applySnapshot(node, found.id);
  },
  async delete(node, name) {
    const found = findSnapshot(node.driver.snapshots?.list ?? [], { name });
    if (found === undefined) throw new BlockError('not-found', 'snapshot not found');
    await deleteSnapshot(node, found.id);
  },
};

/** The reference tells no more than the number about a snapshot that it could not take. */
function detail(action: SnapshotAction, error: BlockError): string {
  if (action !== 'create') return messageOf(error);
  const code = errnoOf(error);
  return `-${errnoNumber(code)} (${strerror(code)})`;
}

/** A snapshot to read from: by id, by name, by both, or by one text that is either. */
export type WantedSnapshot = { readonly id?: string; readonly name?: string } | { readonly idOrName: string };

/** `snapshot.id=ID,snapshot.name=NAME` in any part and order; everything that does not begin so is an id or a name. */
export function parseWantedSnapshot(text: string): WantedSnapshot {
  if (!text.startsWith('snapshot.')) return { idOrName: text };
  const wanted: { id?: string; name?: string } = {};
  for (const [key, value = 'on'] of splitOptions(text.replace(/,$/, ''))) {
    if (key === 'snapshot.id') wanted.id = value;
    else if (key === 'snapshot.name') wanted.name = value;
    else if (key !== '') throw new BlockError('invalid-argument', `Invalid parameter '${key}'`, { reason: 'snapshot/parameter' });
  }
  return wanted;
}

/** Lets an open read-only node show the snapshot. Throws `Failed to load snapshot: …`. */
export async function loadSnapshot(node: BlockNode, wanted: WantedSnapshot): Promise<void> {
  try {
    const list = node.driver.snapshots?.list ?? [];
    const given = 'idOrName' in wanted ? undefined : withoutEmpty(wanted);
    const found = given === undefined ? findByIdOrName(list, (wanted as { idOrName: string }).idOrName) : findSnapshot(list, given);
    if (found === undefined && node.driver.snapshots !== undefined) throw new BlockError('not-found', "Can't find snapshot");
    await showSnapshot(node, found?.id ?? '');
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `Failed to load snapshot: ${error.message}`, error.context, error);
  }
}

/** An empty id or name is as good as none. */
function withoutEmpty({ id, name }: { readonly id?: string; readonly name?: string }): { readonly id?: string; readonly name?: string } {
  return { ...(id === undefined || id === '' ? {} : { id }), ...(name === undefined || name === '' ? {} : { name }) };
}
