/** What quorum throws of its own. The texts about options are QEMU's. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';

export type QuorumDefect =
  | { readonly what: 'threshold-type' | 'threshold-small' | 'threshold-large' | 'pattern' | 'no-children' | 'children-type' | 'blkverify' | 'rewrite' }
  | { readonly what: 'sizes' | 'read-only' }
  | { readonly what: 'add-blkverify' }
  | { readonly what: 'add-size'; readonly node: string; readonly size: number; readonly wanted: number }
  | { readonly what: 'too-few'; readonly threshold: number }
  | { readonly what: 'no-quorum'; readonly offset: number; readonly length: number }
  | { readonly what: 'mismatch'; readonly offset: number; readonly length: number; readonly at: number };

export function quorumError(defect: QuorumDefect): BlockError {
  return new BlockError(kindOf(defect.what), describe(defect), { driver: 'quorum', reason: `quorum/${defect.what}` });
}

function kindOf(what: QuorumDefect['what']): BlockErrorKind {
  if (what === 'read-only') return 'read-only';
  return what === 'no-quorum' || what === 'mismatch' || what === 'sizes' ? 'io' : 'invalid-argument';
}

function describe(defect: QuorumDefect): string {
  switch (defect.what) {
    case 'threshold-type':
      return "Parameter 'vote-threshold' expects a number";
    case 'threshold-small':
      return "Parameter 'vote-threshold' expects a value >= 1";
    case 'threshold-large':
      return 'threshold may not exceed children count';
    case 'pattern':
      return 'Please set read-pattern as fifo or quorum';
    case 'no-children':
      return 'Number of provided children must be 1 or more';
    case 'children-type':
      return 'Option children is not a valid array';
    case 'blkverify':
      return 'blkverify=on can only be set if there are exactly two files and vote-threshold is 2';
    case 'rewrite':
      return 'rewrite-corrupted=on cannot be used with blkverify=on';
    case 'read-only':
      return 'Block node is read-only';
    case 'sizes':
      return 'Could not refresh total sector count: Input/output error';
    case 'add-blkverify':
      return 'Cannot add a child to a quorum in blkverify mode';
    case 'add-size':
      return `Cannot add '${defect.node}', which has ${defect.size} bytes, to a quorum of ${defect.wanted} bytes`;
    case 'too-few':
      return `The number of children cannot be lower than the vote threshold ${defect.threshold}`;
    case 'no-quorum':
      return `No quorum about the content at ${defect.offset}, ${defect.length} bytes`;
    case 'mismatch':
      return `quorum: offset=${defect.offset} bytes=${defect.length} contents mismatch at offset ${defect.at}`;
  }
}
