/** Cylinders, heads and sectors, as the specification's appendix calculates them, and the sizes that follow. */
import { MAX_CHS_SECTORS, SECTOR } from './format.js';

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

/** The largest geometry there is; it says that the disk is larger than a geometry can tell. */
export const MAX_GEOMETRY: Geometry = { cylinders: 65535, heads: 16, sectorsPerTrack: 255 };

export function sectorsOf({ cylinders, heads, sectorsPerTrack }: Geometry): number {
  return cylinders * heads * sectorsPerTrack;
}

/** The geometry of a disk of that many sectors; it holds as many, or a few less. */
export function geometryFor(sectors: number): Geometry {
  if (sectors > MAX_CHS_SECTORS) return MAX_GEOMETRY;
  if (sectors >= 65535 * 16 * 63) return withTracks(Math.floor(sectors / 255), 16, 255);
  let tracks = Math.floor(sectors / 17);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks < heads * 1024 && heads <= 16) return withTracks(tracks, heads, 17);
  heads = 16;
  tracks = Math.floor(sectors / 31);
  if (tracks < heads * 1024) return withTracks(tracks, heads, 31);
  return withTracks(Math.floor(sectors / 63), 16, 63);
}

/** The smallest disk with a geometry that holds `size` bytes; those that need the largest, which tells nothing, and beyond keep their size. */
export function roundToGeometry(size: number): { readonly geometry: Geometry; readonly sectors: number } {
  const wanted = Math.ceil(size / SECTOR);
  if (wanted > MAX_CHS_SECTORS) return { geometry: MAX_GEOMETRY, sectors: wanted };
  if (wanted === 0) return { geometry: { cylinders: 0, heads: 0, sectorsPerTrack: 0 }, sectors: 0 };
  let geometry = geometryFor(wanted);
  for (let more = 1; sectorsOf(geometry) < wanted; more++) geometry = geometryFor(Math.min(wanted + more, MAX_CHS_SECTORS));
  const sectors = sectorsOf(geometry);
  return { geometry, sectors: sectors === MAX_CHS_SECTORS ? wanted : sectors };
}

function withTracks(tracks: number, heads: number, sectorsPerTrack: number): Geometry {
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack };
}
