/** What may be asked of a new image. */
import { wishError } from './errors.js';

export interface VmdkCreateOptions {
  readonly adapter_type?: string;
  readonly backing_file?: string;
  readonly backing_fmt?: string;
  readonly compat6?: boolean;
  readonly hwversion?: string;
  readonly subformat?: string;
  readonly toolsversion?: string;
  readonly zeroed_grain?: boolean;
}

export type Wish = VmdkCreateOptions & { readonly size: number };

/** Bytes of the largest sparse extent whose directory is read everywhere. */
const MAX_SPARSE = 2 ** 50;
const ADAPTERS = ['ide', 'buslogic', 'lsilogic', 'legacyESX'];
export interface Subformat {
  readonly flat: boolean;
  readonly split: boolean;
  readonly compressed: boolean;
}

const SUBFORMATS: Readonly<Record<string, Subformat>> = {
  monolithicSparse: { flat: false, split: false, compressed: false },
  monolithicFlat: { flat: true, split: false, compressed: false },
  twoGbMaxExtentSparse: { flat: false, split: true, compressed: false },
  twoGbMaxExtentFlat: { flat: true, split: true, compressed: false },
  streamOptimized: { flat: false, split: false, compressed: true },
};

/** Throws where the image can't be. */
export function checkWish(wish: Wish): Subformat {
  const { adapter_type: adapter = 'ide', subformat = 'monolithicSparse', backing_file: backing } = wish;
  if (!ADAPTERS.includes(adapter)) throw wishError(`invalid parameter value: ${adapter}`);
  const found = Object.hasOwn(SUBFORMATS, subformat) ? SUBFORMATS[subformat] : undefined;
  if (found === undefined) throw wishError(`invalid parameter value: ${subformat}`);
  if (wish.compat6 === true && (wish.hwversion ?? 'undefined') !== 'undefined') throw wishError('compat6 cannot be enabled with hwversion set');
  if (found.flat && backing !== undefined && backing !== '') throw wishError("Flat image can't have backing file");
  if (found.flat && wish.zeroed_grain === true) throw wishError("Flat image can't enable zeroed grain");
  if ((wish.backing_fmt ?? 'vmdk') !== 'vmdk') throw wishError('backing_file must be a vmdk image');
  for (const text of [wish.hwversion, wish.toolsversion, backing]) {
    // They stand between quotes, on a line.
    if (text !== undefined && [...text].some((char) => char === '"' || char < ' ')) throw wishError(`invalid parameter value: ${text}`);
  }
  // Neither a descriptor without extents nor an extent without sectors can be opened.
  if (wish.size === 0) throw wishError('Image size is too small, cannot be zero length');
  if (!found.flat && !found.split && wish.size > MAX_SPARSE) throw wishError("The image size is too large for file format 'vmdk'", 'too-large');
  return found;
}
