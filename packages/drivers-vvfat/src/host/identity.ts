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

/** All but the change of status. */
export function contentIdentity(identity: string): string {
  return identity.slice(0, identity.lastIndexOf(':'));
}

/** The same content, with a change of status that we made and could not look at: the next one that is seen is it. */
export function withUnknownStatus(identity: string): string {
  return `${contentIdentity(identity)}:`;
}

/** Whether a file is still what it was. */
export function isUnchanged(file: { identity: string }, stats: BigIntStats): boolean {
  const now = fileIdentity(stats);
  if (file.identity === now) return true;
  if (file.identity !== withUnknownStatus(now)) return false;
  file.identity = now;
  return true;
}
