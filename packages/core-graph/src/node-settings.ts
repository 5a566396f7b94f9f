/** What a node is made with. */
import type { BlockDriver } from './driver.js';
import type { CacheMode } from './driver-context.js';
import type { OpenState } from './open/open-state.js';

export type DetectZeroes = 'off' | 'on' | 'unmap';

/** What a node is made with; decided once, when it is opened. */
export interface NodeSettings {
  readonly name: string;
  readonly driver: BlockDriver;
  readonly filename: string;
  readonly readOnly: boolean;
  readonly cache: CacheMode;
  readonly discard: boolean;
  readonly detectZeroes: DetectZeroes;
  readonly forceShare: boolean;
  /** Options as given, for `query-*` and for opening the image again. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The name was made up by the graph. */
  readonly anonymous: boolean;
  /** How the driver was told to open the image: its own options, checked, and what was inherited; for opening it again. */
  readonly opened: { readonly options: Readonly<Record<string, unknown>>; readonly state: OpenState };
}
