/** How a backend is made: what it is called, what it may do, and what becomes of its failed requests. */
import type { Backend } from './backend.js';
import type { OnError } from './error-policy.js';
import { Permission, type Access } from './flags.js';

export interface BackendOptions {
  /** Device name; empty for one that is not in the graph's list. */
  readonly name?: string;
  /** As named in messages. */
  readonly description?: string;
  readonly writable?: boolean;
  /** Also holds `Permission.Resize`. */
  readonly resizable?: boolean;
  /** What others may do with the node meanwhile; all, unless given. */
  readonly shared?: number;
  /** Every write reaches stable storage before it completes (`cache=writethrough`). */
  readonly writeThrough?: boolean;
  readonly readError?: OnError;
  readonly writeError?: OnError;
  /** Counts and is limited as this other one, without its name and its error policies. It ends with `detach`. */
  readonly beside?: Backend;
}

/** The hold on its node that the options ask for. */
export function accessOf(options: BackendOptions): Access {
  let permissions: number = Permission.ConsistentRead;
  if (options.writable === true) permissions |= Permission.Write;
  if (options.resizable === true) permissions |= Permission.Resize;
  return { permissions, shared: options.shared ?? Permission.All };
}
