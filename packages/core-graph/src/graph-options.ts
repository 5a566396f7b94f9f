/** What a graph is made with, how it is asked to open an image, and what it tells of. */
import type { Backend } from './backend.js';
import type { BufferPool } from './buffer-pool.js';
import type { BlockDriver } from './driver.js';
import type { CorruptionReport, CredentialLookup, Host, QuorumReport, SecretLookup } from './driver-context.js';
import type { BlockErrorAction, Operation } from './error-policy.js';
import type { BlockError } from './errors.js';
import type { BlockNode } from './node.js';
import type { OpenState } from './open/open-state.js';
import type { ImagePolicy } from './policy.js';

export interface GraphOptions {
  /** The drivers that this graph may use. */
  readonly drivers: readonly BlockDriver[];
  readonly policy?: ImagePolicy;
  readonly pool?: BufferPool;
  readonly host?: Partial<Host>;
  /** Where options such as `key-secret` find their secrets; without it there are none. */
  readonly secrets?: SecretLookup;
  /** Where options such as `tls-creds` find their credentials; without it there are none. */
  readonly credentials?: CredentialLookup;
}

/** How to open an image; what the definition itself says goes first. */
export interface OpenOptions {
  /** Name of the format; guessed from the content where absent. */
  readonly format?: string;
  readonly readOnly?: boolean;
  readonly cache?: { readonly writeback?: boolean; readonly direct?: boolean; readonly noFlush?: boolean };
  readonly discard?: boolean;
  readonly detectZeroes?: 'off' | 'on' | 'unmap';
  readonly copyOnRead?: boolean;
  /** Leave the backing file alone. */
  readonly noBacking?: boolean;
  /** Share the image with anybody; read-only. */
  readonly forceShare?: boolean;
  /** Only metadata will be asked for. */
  readonly noIo?: boolean;
  /** The image is opened to be checked, whatever is wrong with it. */
  readonly checking?: boolean;
  readonly aio?: 'threads' | 'native' | 'io_uring';
  readonly nodeName?: string;
  readonly policy?: ImagePolicy;
  readonly signal?: AbortSignal;
}

export type GraphEvent =
  | { readonly type: 'corrupted'; readonly node: BlockNode; readonly report: CorruptionReport }
  | { readonly type: 'quorum'; readonly node: BlockNode; readonly report: QuorumReport }
  | { readonly type: 'write-threshold'; readonly node: BlockNode; readonly amount: number; readonly threshold: number }
  | {
      readonly type: 'io-error';
      readonly backend: Backend;
      readonly operation: Operation;
      readonly action: BlockErrorAction;
      readonly error: BlockError;
    };

/** What the options say, and what holds where they say nothing. */
export function openStateOf(options: OpenOptions, policy: ImagePolicy): OpenState {
  return {
    readOnly: options.readOnly ?? false,
    autoReadOnly: false,
    cache: {
      writeback: options.cache?.writeback ?? true,
      direct: options.cache?.direct ?? false,
      noFlush: options.cache?.noFlush ?? false,
    },
    discard: options.discard ?? false,
    forceShare: options.forceShare ?? false,
    noIo: options.noIo ?? false,
    checking: options.checking ?? false,
    noBacking: options.noBacking ?? false,
    aio: options.aio,
    policy: options.policy ?? policy,
    signal: options.signal,
    chain: [],
    probed: false,
    nodeName: options.nodeName,
  };
}
