/** The persistent bitmaps of a converted image, copied to its target. */
import { attachBitmaps, BlockError, makeBitmap, messageOf, type BlockNode, type DirtyBitmap } from '@blk/core-graph';

export interface BitmapCopy {
  /** Bitmaps that are out of date are left out, and named here, rather than refused. */
  readonly skipBroken?: ((message: string) => void) | undefined;
}

/** Throws where bitmaps of `source` can't be copied; before the target is made. */
export function checkBitmaps(source: BlockNode, { skipBroken }: BitmapCopy): void {
  if (source.driver.persistentBitmaps === undefined) throw new BlockError('unsupported', 'Source lacks bitmap support');
  for (const { name, inconsistent } of newestFirst(source)) {
    if (!inconsistent || skipBroken !== undefined) continue;
    const hint = "Try --skip-broken-bitmaps, or use 'qemu-img bitmap --remove' to delete it";
    throw new BlockError('invalid-argument', `Cannot copy inconsistent bitmap '${name}'\n${hint}`);
  }
}

/** Whether an image can have bitmaps at all. */
export function checkTarget(target: BlockNode): void {
  try {
    const { persistentBitmaps } = target.driver;
    if (persistentBitmaps === undefined) throw new BlockError('unsupported', 'no bitmaps');
    persistentBitmaps.check('a', 65536);
  } catch (error) {
    if (!(error instanceof BlockError) || error.kind !== 'unsupported') throw error;
    throw new BlockError('unsupported', `Format driver '${target.driverName}' does not support bitmaps`, {}, error);
  }
}

/** Copies all, or throws with the target's bitmaps as they were. */
export async function copyBitmaps(source: BlockNode, target: BlockNode, { skipBroken }: BitmapCopy): Promise<void> {
  const copies: DirtyBitmap[] = [];
  for (const bitmap of newestFirst(source)) {
    const name = bitmap.name ?? '';
    if (bitmap.inconsistent) {
      skipBroken?.(`Skipping inconsistent bitmap '${name}'`);
      continue;
    }
    const disabled = !bitmap.recording;
    const copy = await named(`Failed to create bitmap ${name}`, () =>
      makeBitmap(target, { name, granularity: bitmap.granularity, persistent: true, disabled }),
    );
    await named(`Failed to populate bitmap ${name}`, () => {
      copy.merge(bitmap);
    });
    copies.unshift(copy);
  }
  attachBitmaps(target, copies);
}

/** As the reference goes through them. */
function newestFirst(node: BlockNode): DirtyBitmap[] {
  return [...node.bitmaps].filter(({ persistent }) => persistent).reverse();
}

async function named<T>(what: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `${what}: ${messageOf(error)}`, error.context, error);
  }
}
