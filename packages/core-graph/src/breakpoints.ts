/** Points inside a driver at which requests stop, for tests of what happens meanwhile. */

import type { DriverNode } from './driver-node.js';
import type { BlockNode } from './node.js';

/** What `break`, `resume` and their like ask of the driver that offers them (`blkdebug`). */
export interface Breakpoints {
  /** Requests stop at `event` (a `BlkdebugEvent`), and are known as `tag` from then on. Throws where there is no such event. */
  set(event: string, tag: string): Promise<void>;
  /** Takes the breakpoints of `tag` away, and lets its stopped requests go on. Throws kind `not-found` where there is none. */
  remove(tag: string): Promise<void>;
  /** Lets one stopped request go on. Throws kind `not-found` where none has stopped. */
  resume(tag: string): Promise<void>;
  /** Resolves when a request has stopped. */
  suspended(tag: string): Promise<void>;
  /** Takes all breakpoints away, and lets all that has stopped go on. */
  clear(): void;
}

/** Lets all go on that has stopped in a node or below: whoever closes an image waits for its requests. */
export function letStoppedGoOn(node: BlockNode): void {
  // One that could not be opened again has no driver.
  (node.driver as DriverNode | undefined)?.breakpoints?.clear();
  for (const edge of node.children.values()) letStoppedGoOn(edge.node);
}
