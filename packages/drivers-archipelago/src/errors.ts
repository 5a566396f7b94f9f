/** Every way a volume is refused, or a request for it fails. */
import { BlockError } from '@blk/core-graph';

export function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'archipelago' });
}

/** What the way to the cluster is made of is not there. `what` goes on from "libxseg". */
export function lacking(what: string, cause?: unknown): BlockError {
  return new BlockError('unsupported', `archipelago needs libxseg${what}`, { driver: 'archipelago', reason: 'archipelago/libxseg' }, cause);
}

/** The segment, or what is to be had of it, cannot be used. */
export function segmentError(segment: string, what: string): BlockError {
  return new BlockError('io', `archipelago: segment '${segment}': ${what}`, { driver: 'archipelago', reason: 'archipelago/segment' });
}

/** A peer answered, and did not do what it was asked to. */
export function refused(what: string, why: string): BlockError {
  return new BlockError('io', `archipelago: ${what} failed: ${why}`, { driver: 'archipelago', reason: 'archipelago/refused' });
}

/** Nobody answers: whether what was asked for will be done is not known. */
export function silent(what: string, peer: string, seconds: number): BlockError {
  return new BlockError('timeout', `archipelago: ${what}: no answer from the ${peer} within ${seconds} s`, { driver: 'archipelago', reason: 'archipelago/silent' });
}

/** The segment has had no memory for a request all the time. */
export function noRoom(seconds: number): BlockError {
  return new BlockError('busy', `archipelago: the segment had no room for a request within ${seconds} s`, { driver: 'archipelago', reason: 'archipelago/no-room' });
}

export function badSize(size: number | bigint): BlockError {
  return new BlockError('unsupported', `archipelago: the size of a volume must be a multiple of 512 below 2^53, and is ${size}`, { driver: 'archipelago', reason: 'archipelago/size' });
}
