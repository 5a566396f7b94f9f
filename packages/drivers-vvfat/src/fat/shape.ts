/** The shape of a disk: where the partition, the tables, the root directory and the clusters lie, and how large the disk has to be. */
import { vvfatError } from '../errors.js';

export const SECTOR = 512;
/** Bytes of one entry of a directory. */
export const SLOT = 32;
/** The first two numbers of clusters mean something else. */
export const FIRST_CLUSTER = 2;

export type FatType = 12 | 16 | 32;

/** All in sectors, from the beginning of the disk, unless said otherwise. */
export interface Shape {
  readonly fatType: FatType;
  readonly floppy: boolean;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  /** Where the file system begins: 0, or behind the first track of a partitioned disk. */
  readonly volumeStart: number;
  readonly volumeSectors: number;
  readonly diskSectors: number;
  readonly sectorsPerCluster: number;
  readonly reservedSectors: number;
  /** Length of one of the two tables. */
  readonly fatSectors: number;
  /** Entries of the root directory, where that has a place of its own; 0 for FAT32. */
  readonly rootEntries: number;
  readonly fatStart: number;
  readonly rootStart: number;
  /** Where cluster 2 lies. */
  readonly dataStart: number;
  /** How many clusters there are; the last one has the number `clusters + 1`. */
  readonly clusters: number;
}

/** What decides how large a disk has to be. */
export interface Need {
  /** Clusters of a size (in bytes) that the content takes. */
  clusters(clusterBytes: number): number;
  /** Entries of the root directory. */
  readonly rootSlots: number;
}

export interface ShapeRequest {
  /** Left out: FAT12 on a floppy disk, FAT16 on a hard disk. */
  readonly fatType?: FatType | undefined;
  readonly floppy: boolean;
}

export const clusterBytes = (shape: Shape): number => shape.sectorsPerCluster * SECTOR;
export const diskBytes = (shape: Shape): number => shape.diskSectors * SECTOR;
/** Where a cluster begins, in bytes from the beginning of the disk. */
export const clusterOffset = (shape: Shape, cluster: number): number => (shape.dataStart + (cluster - FIRST_CLUSTER) * shape.sectorsPerCluster) * SECTOR;

/** The smallest of the shapes with this request that the content fits into. Throws where there is none. */
export function shapeFor(request: ShapeRequest, need: Need): Shape {
  let largest: Shape | undefined;
  for (const shape of candidates(request, need.rootSlots)) {
    if (isOfItsType(shape) && need.clusters(clusterBytes(shape)) <= shape.clusters) return shape;
    largest = shape;
  }
  const { fatType, volumeSectors } = largest as Shape;
  const capacity = ((volumeSectors * SECTOR) / 1_024_000).toFixed(2);
  throw vvfatError({ what: 'no-fit', fatType, capacity, larger: !request.floppy && fatType !== 32 });
}

/** Others tell the type by the number of clusters alone; a long root directory may leave too few of them. */
function isOfItsType({ fatType, clusters }: Shape): boolean {
  return fatType === (clusters < MIN_FAT16 ? 12 : clusters < MIN_FAT32 ? 16 : 32);
}

/** The fewest clusters of these types, by the specification. */
const MIN_FAT16 = 4085;
const MIN_FAT32 = 65525;

/** Disks of 16 heads and 63 sectors a track, the first track for the partition table, with as many cylinders as the reference has; FAT32 grows. */
function* candidates({ fatType, floppy }: ShapeRequest, rootSlots: number): Iterable<Shape> {
  if (floppy) {
    if (fatType === 32) throw vvfatError({ what: 'floppy-fat32' });
    const root = roundUp(rootSlots, 16);
    // 1.44 MB where FAT12 is asked for by name, else 2.88 MB.
    const small = fatType === 12;
    yield shape({
      fatType: fatType ?? 12, floppy, heads: 2, sectorsPerTrack: small ? 18 : 36, cylinders: 80,
      sectorsPerCluster: fatType === undefined ? 2 : 1, rootEntries: Math.max(small ? 224 : 240, root),
    });
    return;
  }
  const disk = { floppy, heads: 16, sectorsPerTrack: 63, rootEntries: Math.max(512, roundUp(rootSlots, 16)) };
  if (fatType === 12) yield shape({ ...disk, fatType, cylinders: 64, sectorsPerCluster: 16 });
  else if (fatType === 32) {
    for (let cylinders = 1024; cylinders <= MAX_CYLINDERS; cylinders *= 2) {
      yield shape({ ...disk, fatType, cylinders, sectorsPerCluster: fat32Cluster(cylinders), rootEntries: 0 });
    }
  } else yield shape({ ...disk, fatType: 16, cylinders: 1024, sectorsPerCluster: 16 });
}

/** Sectors are counted in 32 bits. */
const MAX_CYLINDERS = 2 ** 21;

/** Sectors of a cluster: 4 KiB up to 8 GiB, 8 KiB up to 16 GiB, and so on up to 32 KiB, as the specification has it. */
function fat32Cluster(cylinders: number): number {
  const gib = (cylinders * 1008 * SECTOR) / 2 ** 30;
  return gib <= 8 ? 8 : gib <= 16 ? 16 : gib <= 32 ? 32 : 64;
}

interface Measures {
  readonly fatType: FatType;
  readonly floppy: boolean;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  readonly cylinders: number;
  readonly sectorsPerCluster: number;
  readonly rootEntries: number;
}

function shape({ cylinders, ...measures }: Measures): Shape {
  const { fatType, floppy, heads, sectorsPerTrack, sectorsPerCluster, rootEntries } = measures;
  const diskSectors = cylinders * heads * sectorsPerTrack;
  const volumeStart = floppy ? 0 : sectorsPerTrack;
  const volumeSectors = diskSectors - volumeStart;
  const reservedSectors = fatType === 32 ? 32 : 1;
  const rootSectors = Math.ceil((rootEntries * SLOT) / SECTOR);
  const free = volumeSectors - reservedSectors - rootSectors;
  const clustersWith = (fat: number): number => Math.floor((free - 2 * fat) / sectorsPerCluster);
  const neededWith = (fat: number): number => Math.ceil(((clustersWith(fat) + FIRST_CLUSTER) * fatType) / 8 / SECTOR);
  // A longer table leaves fewer clusters, so this begins below the shortest one that will do.
  let fatSectors = neededWith(neededWith(0));
  while (neededWith(fatSectors) > fatSectors) fatSectors++;
  const fatStart = volumeStart + reservedSectors;
  const rootStart = fatStart + 2 * fatSectors;
  return {
    ...measures, volumeStart, volumeSectors, diskSectors, reservedSectors, fatSectors,
    fatStart, rootStart, dataStart: rootStart + rootSectors, clusters: clustersWith(fatSectors),
  };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
