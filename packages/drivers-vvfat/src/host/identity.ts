/** What tells a file of the host, with the content that it has, from any other. */
import type { BigIntStats } from 'node:fs';

/** Changes with the file's place on the disk, its size, and each time that something is written to it or its times are set back. Seconds since 1970. */
export interface FileIdentity {
  readonly dev: number;
  /** A big integer only where no number holds it. */
  readonly ino: number | bigint;
  readonly size: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Undefined: a change of status that we made and could not look at. The next one that is seen is it. */
  readonly ctimeSec: number | undefined;
  readonly ctimeNsec: number;
}

export function fileIdentity({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return {
    dev: Number(dev), ino: wholeNumber(ino), size: Number(size),
    mtimeSec: seconds(mtimeNs), mtimeNsec: nanoseconds(mtimeNs), ctimeSec: seconds(ctimeNs), ctimeNsec: nanoseconds(ctimeNs),
  };
}

export function folderIdentity({ dev, ino }: { readonly dev: number | bigint; readonly ino: number | bigint }): string {
  return `${dev}:${ino}`;
}

/** The same file with the same content, whatever became of its status. */
export function isSameContent(one: FileIdentity, other: FileIdentity): boolean {
  return one.mtimeNsec === other.mtimeNsec && one.mtimeSec === other.mtimeSec && one.size === other.size && one.ino === other.ino && one.dev === other.dev;
}

export function isSameIdentity(one: FileIdentity, other: FileIdentity): boolean {
  return one.ctimeNsec === other.ctimeNsec && one.ctimeSec === other.ctimeSec && isSameContent(one, other);
}

/** Whether a file is still what it was, where it is this `now`. */
export function isUnchanged(file: { identity: FileIdentity }, now: FileIdentity): boolean {
  if (isSameIdentity(file.identity, now)) return true;
  if (file.identity.ctimeSec !== undefined || !isSameContent(file.identity, now)) return false;
  file.identity = now;
  return true;
}

function wholeNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

const SECOND = 1_000_000_000n;

function nanoseconds(time: bigint): number {
  return Number(((time % SECOND) + SECOND) % SECOND);
}

function seconds(time: bigint): number {
  return Number((time - BigInt(nanoseconds(time))) / SECOND);
}
