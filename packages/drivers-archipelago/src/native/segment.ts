/**
 * Joined segments: each once for all of its volumes. libxseg maps a segment to one fixed address, over whatever is there, and takes it away from there
 * when it is left, so there can only be one segment, and joined only once; that the place is free is seen to beforehand.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { lacking, segmentError } from '../errors.js';
import type { Xseg } from './library.js';

/** A segment that was joined. Left when everybody who joined it has left. */
export interface Segment {
  /** Address of what libxseg keeps about it. */
  readonly address: number;
  leave(): void;
}

/** Joins the segment of this name. */
export function joinSegment(xseg: Xseg, name: string): Segment {
  if (joined !== undefined && (joined.xseg !== xseg || joined.name !== name)) {
    throw segmentError(name, `there can only be one segment at a time, and '${joined.name}' is in use`);
  }
  joined ??= { xseg, name, address: join(xseg, name), users: 0 };
  const mine = joined;
  mine.users++;
  return {
    address: mine.address,
    leave() {
      if (--mine.users > 0) return;
      joined = undefined;
      xseg.leave(mine.address);
    },
  };
}

interface Joined {
  readonly xseg: Xseg;
  readonly name: string;
  readonly address: number;
  users: number;
}

/** Of the process, as the address is. */
let joined: Joined | undefined;
const initialized = new WeakSet<Xseg>();

function join(xseg: Xseg, name: string): number {
  if (!initialized.has(xseg)) {
    if (xseg.initialize() !== 0) throw lacking(', and that could not be initialized');
    initialized.add(xseg);
  }
  const memory = `/dev/shm/${name}`;
  if (!name.includes('/') && existsSync(memory)) requireRoom(name, statSync(memory).size, readFileSync('/proc/self/maps', 'latin1'));
  const address = xseg.join('posix', name, 'posixfd', 0);
  if (address === 0) throw segmentError(name, 'it cannot be joined; is the cluster running on this machine?');
  return address;
}

/** Where segments are mapped. */
const BASE = 0x37fd_0000;

/** Throws where memory of this process, as `maps` lists it, lies where `size` bytes of a segment are to be. */
export function requireRoom(name: string, size: number, maps: string): void {
  for (const [, from, to] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) /gm)) {
    if (Number.parseInt(from ?? '', 16) < BASE + size && Number.parseInt(to ?? '', 16) > BASE) throw segmentError(name, 'this process has other memory where libxseg puts segments');
  }
}
