/** Whether the guest still uses the file system that it was given: its label, flags and code may be others, its shape may not. */
import { SECTOR, type Shape } from '../fat/shape.js';
import { guestDefect } from './defect.js';

/** Fields of the boot sector that make the shape: first byte and length. FAT32 has further ones. */
const SHAPE_FIELDS = [[11, 13], [28, 8]] as const;
const FAT32_FIELDS = [[36, 4], [42, 6]] as const;
const PARTITION_FIELDS = [[454, 8]] as const;

/** Compares the sectors with those that the disk began with. */
export function checkBoot(shape: Shape, original: ReadonlyMap<number, Uint8Array>, now: (sector: number) => Uint8Array): void {
  const { volumeStart, fatType } = shape;
  if (volumeStart !== 0) compare('the partition table', original.get(0), now(0), PARTITION_FIELDS, 'its first partition is another one');
  const fields = fatType === 32 ? [...SHAPE_FIELDS, ...FAT32_FIELDS] : SHAPE_FIELDS;
  compare('the boot sector', original.get(volumeStart), now(volumeStart), fields, 'the disk was formatted anew, with another layout');
}

function compare(where: string, before: Uint8Array | undefined, now: Uint8Array, fields: readonly (readonly [number, number])[], why: string): void {
  const signature = now[SECTOR - 2] === 0x55 && now[SECTOR - 1] === 0xaa;
  if (!signature) throw guestDefect(where, 'its signature is gone');
  for (const [at, length] of fields) {
    for (let byte = at; byte < at + length; byte++) if (before?.[byte] !== now[byte]) throw guestDefect(where, why);
  }
}
