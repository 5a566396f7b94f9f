/** Identifiers of disks, by which a differencing disk knows its parent. */

/** An open image with an identifier. */
export interface Identified {
  /** 16 bytes. */
  readonly uniqueId: Uint8Array;
}

export function describeId(id: Uint8Array): string {
  const hex = Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
