/**
 * Consistency checks and amendments: what a format offers beside reading and writing, and what it tells about them. The numbers are
 * those of the schema's `ImageCheck`.
 */
import type { Completion } from './completion.js';

/** What a check may change: nothing, only what is allocated without use, or everything. */
export type Repair = 'none' | 'leaks' | 'all';

/** `reason` of an error that ends a check and whose cause was told as a finding already. */
export const CHECK_TOLD = 'check/told';

export interface CheckOptions {
  readonly repair: Repair;
  /** Told of every defect and of every repair, a line each, in QEMU's words. */
  readonly finding?: (text: string) => void;
  /** Called between steps; the check goes on when it is done. What it throws ends the check. */
  readonly pause?: () => Completion;
  /** Bytes looked at of bytes to look at, in any measure of the format's own; formats that are done at once tell nothing. */
  readonly progress?: (done: number, total: number) => void;
}

export interface CheckResult {
  /** What could not be looked at. */
  checkErrors: number;
  /** Defects that may cost data; those that are still there. */
  corruptions: number;
  /** Clusters that are taken and not in use. */
  leaks: number;
  corruptionsFixed: number;
  leaksFixed: number;
  /** End of the last cluster in use, in bytes of the file; 0 where the format can't tell. */
  imageEndOffset: number;
  totalClusters: number;
  allocatedClusters: number;
  fragmentedClusters: number;
  compressedClusters: number;
}

/** A result that has nothing to tell yet. */
export function emptyCheckResult(): CheckResult {
  return {
    checkErrors: 0,
    corruptions: 0,
    leaks: 0,
    corruptionsFixed: 0,
    leaksFixed: 0,
    imageEndOffset: 0,
    totalClusters: 0,
    allocatedClusters: 0,
    fragmentedClusters: 0,
    compressedClusters: 0,
  };
}

export interface AmendContext {
  /** Changes that may make data unreachable are meant. */
  readonly force: boolean;
  /** Steps done of steps to do, in any unit. */
  readonly progress?: (done: number, total: number) => void;
  /** As `CheckOptions.pause`. */
  readonly pause?: () => Completion;
}
