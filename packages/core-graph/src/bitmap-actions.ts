/**
 * Changes of dirty bitmaps that can be taken back: steps of a transaction. Each takes effect when it is prepared, so that a
 * later step of the same transaction sees it. To be run while no writes are under way where they may be aborted.
 */
import { BlockError } from './errors.js';
import type { DirtyBitmap } from './dirty-bitmap.js';
import type { BlockNode } from './node.js';
import { attachBitmaps, findBitmap, makeBitmap, type BitmapRequest } from './persistent-bitmaps.js';
import type { GraphAction } from './transaction.js';

/** Adds a new bitmap. */
export function addBitmapAction(node: BlockNode, request: BitmapRequest): GraphAction {
  let made: DirtyBitmap | undefined;
  return {
    async prepare() {
      made = await makeBitmap(node, request);
      attachBitmaps(node, [made]);
    },
    commit: () => undefined,
    abort() {
      if (made !== undefined) detach(node, made);
    },
  };
}

/** Removes a bitmap; one that the image keeps leaves it with the next storing of bitmaps, at the latest when it is closed. */
export function removeBitmapAction(node: BlockNode, name: string): GraphAction {
  let bitmap: DirtyBitmap | undefined;
  return {
    prepare() {
      const found = findBitmap(node, name);
      found.checkFree();
      // One that is out of date can go as well, and nobody can take it meanwhile.
      if (!found.inconsistent) found.hold();
      bitmap = found;
    },
    commit() {
      if (bitmap !== undefined) detach(node, bitmap);
    },
    abort() {
      bitmap?.release();
    },
  };
}

/** Marks everything as clean. */
export function clearBitmapAction(node: BlockNode, name: string): GraphAction {
  return changed(() => usableBitmap(node, name), (bitmap) => { bitmap.clear(); });
}

/** Switches the recording of writes. */
export function recordBitmapAction(node: BlockNode, name: string, status: 'active' | 'disabled'): GraphAction {
  let undo = (): void => undefined;
  return {
    prepare() {
      const bitmap = usableBitmap(node, name);
      const before = bitmap.recording ? 'active' : 'disabled';
      bitmap.setStatus(status);
      undo = () => { bitmap.setStatus(before); };
    },
    commit: () => undefined,
    abort: () => { undo(); },
  };
}

/** Where a bitmap is that is merged from. */
export interface BitmapSource {
  readonly node: BlockNode;
  readonly name: string;
}

/** Adds what is dirty in any of `sources`; all of them or none. `sources` is called when the step is prepared. */
export function mergeBitmapsAction(node: BlockNode, target: string, sources: () => readonly BitmapSource[]): GraphAction {
  return changed(
    () => findBitmap(node, target),
    (bitmap) => {
      const from = sources().map((source) => findBitmap(source.node, source.name));
      bitmap.checkUsable();
      for (const source of from) {
        source.checkUsable();
        bitmap.checkMergeable(source);
      }
      for (const source of from) if (source !== bitmap) bitmap.merge(source);
    },
  );
}

/** The bitmap of this name, if nothing else works with it and it means something. */
export function usableBitmap(node: BlockNode, name: string): DirtyBitmap {
  const bitmap = findBitmap(node, name);
  bitmap.checkUsable();
  return bitmap;
}

/** A change of content, with a copy to go back to. */
function changed(find: () => DirtyBitmap, change: (bitmap: DirtyBitmap) => void): GraphAction {
  let undo = (): void => undefined;
  return {
    prepare() {
      const bitmap = find();
      const before = bitmap.copy();
      change(bitmap);
      undo = () => {
        bitmap.clear();
        if (before.size !== bitmap.size) throw new BlockError('invalid-argument', `Bitmap '${bitmap.name}' has changed its size`);
        bitmap.merge(before);
      };
    },
    commit: () => undefined,
    abort: () => { undo(); },
  };
}

function detach(node: BlockNode, bitmap: DirtyBitmap): void {
  node.bitmaps.delete(bitmap);
  node.updatePaths();
}
