/** The options that make the disk below look pickier than it is. */
import type { NodeLimits } from '@blk/core-graph';
import { blkdebugError } from './errors.js';

/** Bytes; absent or 0: as the disk below has it. */
export interface LimitOptions {
  readonly align?: number;
  readonly 'max-transfer'?: number;
  readonly 'opt-write-zero'?: number;
  readonly 'max-write-zero'?: number;
  readonly 'opt-discard'?: number;
  readonly 'max-discard'?: number;
}

const INT_MAX = 2 ** 31 - 1;

/** The limits of the disk below with the options put in. Throws where they do not go together. */
export function limitsOf(options: LimitOptions, below: NodeLimits): NodeLimits {
  const align = checkedAlign(options.align ?? 0);
  const multiple = (option: Exclude<keyof LimitOptions, 'align'>, of: number): number => {
    const value = options[option] ?? 0;
    if (value >= INT_MAX || value % Math.max(1, of) !== 0) throw blkdebugError({ what: 'constraint', option, value });
    return value;
  };
  const transfer = multiple('max-transfer', align);
  const zero = multiple('opt-write-zero', align);
  const maxZeroes = multiple('max-write-zero', Math.max(align, zero));
  const discard = multiple('opt-discard', align);
  const maxDiscard = multiple('max-discard', Math.max(align, discard));
  const alignment = Math.max(align, below.alignment);
  return {
    ...below,
    alignment,
    maxTransfer: smallest(transfer, below.maxTransfer, alignment),
    zeroAlignment: zero === 0 ? below.zeroAlignment : zero,
    maxZeroes: smallest(maxZeroes, below.maxZeroes, alignment),
    discardAlignment: discard === 0 ? below.discardAlignment : discard,
    maxDiscard: smallest(maxDiscard, below.maxDiscard, alignment),
  };
}

function checkedAlign(align: number): number {
  if (align >= INT_MAX || (align > 0 && (align & (align - 1)) !== 0)) throw blkdebugError({ what: 'constraint', option: 'align', value: align });
  return align;
}

/** The tighter of two limits, in whole blocks; 0 is none. */
function smallest(a: number, b: number, alignment: number): number {
  const least = a === 0 ? b : b === 0 ? a : Math.min(a, b);
  return least === 0 ? 0 : Math.max(alignment, least - (least % alignment));
}
