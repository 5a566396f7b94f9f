/** What holds for an image while it is opened, and for those that it opens in turn. */
import type { CacheMode } from '../driver-context.js';
import type { ImagePolicy } from '../policy.js';

/** What is handed down from the caller, and from a parent to its children. */
export interface OpenState {
  readonly readOnly: boolean;
  readonly autoReadOnly: boolean;
  readonly cache: CacheMode;
  readonly discard: boolean;
  readonly forceShare: boolean;
  readonly noIo: boolean;
  /** Of the image itself, not of what lies below it. */
  readonly checking: boolean;
  readonly noBacking: boolean;
  readonly aio: string | undefined;
  readonly policy: ImagePolicy;
  readonly signal: AbortSignal | undefined;
  /** Names of the images above in the backing chain, normalised. */
  readonly chain: readonly string[];
  /** The format was guessed. */
  readonly probed: boolean;
  readonly nodeName?: string | undefined;
}
