/** What tells a file of the host, with the content that it has, from any other. */
import type { BigIntStats } from 'node:fs';

/** Changes with the file's place on the disk, its size, and each time that something is written to it or its times are set back. */
export function fileIdentity(stats: BigIntStats): string {
  // Joined it is one piece of memory; a template keeps all of its parts.
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':');
}

export function folderIdentity(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}
