/** Refcounts of every width, 1 to 64 bits, in the bytes of a refcount block. */
import { HIGH } from './format.js';

/** Largest count of this width; for 64 bits, the largest safe integer. */
export function maxRefcount(order: number): number {
  return order === 6 ? Number.MAX_SAFE_INTEGER : 2 ** 2 ** order - 1;
}

/** The count at `index`. A 64-bit count beyond 2^53 is rounded: it is only ever compared with small ones. */
export function getRefcount(view: DataView, order: number, index: number): number {
  switch (order) {
    case 4:
      return view.getUint16(index * 2);
    case 3:
      return view.getUint8(index);
    case 5:
      return view.getUint32(index * 4);
    case 6:
      return view.getUint32(index * 8) * HIGH + view.getUint32(index * 8 + 4);
    default: {
      const width = 1 << order;
      const perByte = 8 >> order;
      const byte = view.getUint8(Math.floor(index / perByte));
      return (byte >>> ((index % perByte) * width)) & ((1 << width) - 1);
    }
  }
}

export function setRefcount(view: DataView, order: number, index: number, value: number): void {
  switch (order) {
    case 4:
      view.setUint16(index * 2, value);
      return;
    case 3:
      view.setUint8(index, value);
      return;
    case 5:
      view.setUint32(index * 4, value);
      return;
    case 6:
      view.setUint32(index * 8, Math.floor(value / HIGH));
      view.setUint32(index * 8 + 4, value >>> 0);
      return;
    default: {
      const width = 1 << order;
      const perByte = 8 >> order;
      const at = Math.floor(index / perByte);
      const shift = (index % perByte) * width;
      const mask = ((1 << width) - 1) << shift;
      view.setUint8(at, (view.getUint8(at) & ~mask) | (value << shift));
    }
  }
}

/** First byte and byte after the last that hold the counts `[from, to)`. */
export function refcountBytes(order: number, from: number, to: number): { readonly from: number; readonly to: number } {
  const bits = 2 ** order;
  return { from: Math.floor((from * bits) / 8), to: Math.ceil((to * bits) / 8) };
}
