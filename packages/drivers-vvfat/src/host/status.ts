/** What a file or folder of the host is, as far as it matters here. */
import type { BigIntStats } from 'node:fs';
import { fileIdentity, type FileIdentity } from './identity.js';

export interface HostStatus {
  /** Kind and permissions. */
  readonly mode: number;
  readonly identity: FileIdentity;
}

export function statusOf(stats: BigIntStats): HostStatus {
  return { mode: Number(stats.mode), identity: fileIdentity(stats) };
}
