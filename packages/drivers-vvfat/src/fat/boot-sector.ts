/** The first sectors: partition table, boot sector, and FAT32's count of free clusters (fatgen103, "Boot Sector and BPB"). */
import { FIRST_CLUSTER, SECTOR, type Shape } from './shape.js';

/** The same for every disk, so that a directory always gives the same disk; it is the reference's. */
const SERIAL = 0xfabe1afd;
const DISK_ID = 0xbe1afdfa;
/** Where FAT32 keeps its count of free clusters, and the copies of the first two sectors; in sectors of the volume. */
export const INFO_SECTOR = 1;
const COPY_SECTOR = 6;
/** What both tables' first entries say about the medium. */
export const mediaOf = (shape: Shape): number => (shape.floppy ? 0xf0 : 0xf8);

export interface SystemSectors {
  /** 11 bytes. */
  readonly label: Uint8Array;
  readonly usedClusters: number;
}

/** The sectors that are there whatever the directory holds: number of the sector on the disk to its bytes. All others in front of the tables are zero. */
export function systemSectors(shape: Shape, { label, usedClusters }: SystemSectors): Map<number, Uint8Array> {
  const sectors = new Map<number, Uint8Array>();
  const { volumeStart } = shape;
  if (!shape.floppy) sectors.set(0, partitionTable(shape));
  const boot = bootSector(shape, label);
  sectors.set(volumeStart, boot);
  if (shape.fatType === 32) {
    const info = infoSector(shape, usedClusters);
    sectors.set(volumeStart + INFO_SECTOR, info);
    sectors.set(volumeStart + COPY_SECTOR, boot);
    sectors.set(volumeStart + COPY_SECTOR + INFO_SECTOR, info);
  }
  return sectors;
}

function partitionTable(shape: Shape): Uint8Array {
  const { bytes, view } = emptySector();
  const { volumeStart, volumeSectors, diskSectors, fatType } = shape;
  const beyondChs = diskSectors > 1024 * shape.heads * shape.sectorsPerTrack;
  view.setUint32(440, DISK_ID, true);
  bytes[446] = 0x80;
  bytes.set(cylinderHeadSector(shape, volumeStart), 447);
  bytes[450] = fatType === 12 ? 0x01 : fatType === 16 ? 0x06 : beyondChs ? 0x0c : 0x0b;
  bytes.set(cylinderHeadSector(shape, diskSectors - 1), 451);
  view.setUint32(454, volumeStart, true);
  view.setUint32(458, volumeSectors, true);
  return bytes;
}

/** An address as three bytes; the largest there is for what lies beyond. */
function cylinderHeadSector({ heads, sectorsPerTrack }: Shape, sector: number): readonly number[] {
  const cylinder = Math.floor(sector / (heads * sectorsPerTrack));
  if (cylinder > 1023) return [0xfe, 0xff, 0xff];
  const head = Math.floor(sector / sectorsPerTrack) % heads;
  return [head, ((sector % sectorsPerTrack) + 1) | ((cylinder >> 8) << 6), cylinder & 0xff];
}

function bootSector(shape: Shape, label: Uint8Array): Uint8Array {
  const { bytes, view } = emptySector();
  const { fatType, volumeSectors } = shape;
  const big = fatType === 32;
  bytes.set([0xeb, big ? 0x58 : 0x3c, 0x90]);
  bytes.set(ascii('MSWIN4.1'), 3);
  view.setUint16(11, SECTOR, true);
  bytes[13] = shape.sectorsPerCluster;
  view.setUint16(14, shape.reservedSectors, true);
  bytes[16] = 2;
  view.setUint16(17, shape.rootEntries, true);
  const short = !big && volumeSectors < 0x10000;
  view.setUint16(19, short ? volumeSectors : 0, true);
  bytes[21] = mediaOf(shape);
  view.setUint16(22, big ? 0 : shape.fatSectors, true);
  view.setUint16(24, shape.sectorsPerTrack, true);
  view.setUint16(26, shape.heads, true);
  view.setUint32(28, shape.volumeStart, true);
  view.setUint32(32, short ? 0 : volumeSectors, true);
  if (big) {
    view.setUint32(36, shape.fatSectors, true);
    view.setUint32(44, FIRST_CLUSTER, true);
    view.setUint16(48, INFO_SECTOR, true);
    view.setUint16(50, COPY_SECTOR, true);
  }
  const tail = big ? 64 : 36;
  bytes[tail] = shape.floppy ? 0 : 0x80;
  bytes[tail + 2] = 0x29;
  view.setUint32(tail + 3, SERIAL, true);
  bytes.set(label, tail + 7);
  bytes.set(ascii(`FAT${fatType}   `), tail + 18);
  return bytes;
}

/** No hint where a free cluster might be. */
const UNKNOWN = 0xffffffff;

function infoSector({ clusters }: Shape, usedClusters: number): Uint8Array {
  const { bytes, view } = emptySector();
  view.setUint32(0, 0x41615252, true);
  view.setUint32(484, 0x61417272, true);
  view.setUint32(488, clusters - usedClusters, true);
  view.setUint32(492, usedClusters === clusters ? UNKNOWN : usedClusters + FIRST_CLUSTER, true);
  return bytes;
}

/** A sector with the signature that all of these have. */
function emptySector(): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(SECTOR);
  bytes[510] = 0x55;
  bytes[511] = 0xaa;
  return { bytes, view: new DataView(bytes.buffer) };
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
