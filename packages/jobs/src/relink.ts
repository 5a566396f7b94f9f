/** Giving an image another backing file while guests use it: in its header and in the graph, both or neither. */
import { BlockError, replaceBacking, runTransaction, type BlockGraph, type BlockNode, type GraphAction, type RecordedBacking } from '@blk/core-graph';

/**
 * Points `image` at `node` (undefined: at nothing) and records `recorded` in it. The caller's freeze of the link ends. Everything that
 * `image` is to read from its new backing file is on stable storage before; its own data is put there here, before the header changes.
 */
export async function changeBacking(
  graph: BlockGraph,
  image: BlockNode,
  node: BlockNode | undefined,
  recorded: RecordedBacking | undefined,
): Promise<void> {
  const flushed = image.flush();
  if (flushed !== undefined) await flushed;
  const old = image.backing?.node;
  await graph.drained([image, ...(node === undefined ? [] : [node])], () =>
    runTransaction([thaw(image), replaceBacking(image, node), record(image, recorded)]),
  );
  if (old !== undefined) await graph.collect(old);
}

/** The refusal of an image that can't record another backing file. */
export function cannotRelink(image: BlockNode): BlockError {
  return new BlockError('unsupported', `Image format '${image.driverName}' does not support changing the backing file`, { node: image.name });
}

/** The header last: it is what can fail, and the graph can go back. */
function record(image: BlockNode, recorded: RecordedBacking | undefined): GraphAction {
  return {
    async prepare() {
      if (image.driver.changeBackingFile === undefined) throw cannotRelink(image);
      await image.driver.changeBackingFile(recorded);
    },
    commit: () => undefined,
    abort: () => undefined,
  };
}

function thaw({ backing }: BlockNode): GraphAction {
  const before = backing?.frozen ?? false;
  const set = (frozen: boolean): void => {
    if (backing !== undefined) backing.frozen = frozen;
  };
  return { prepare: () => { set(false); }, commit: () => undefined, abort: () => { set(before); } };
}
