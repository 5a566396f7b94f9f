/** Errors of requests as NBD sends them: a few numbers that are the same on every system. */
import { errnoOf } from '@blk/core-graph';

export const NbdErrno = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

const SAME: Readonly<Record<string, number>> = {
  ...NbdErrno,
  EROFS: NbdErrno.EPERM,
  EACCES: NbdErrno.EPERM,
  EDQUOT: NbdErrno.ENOSPC,
  EFBIG: NbdErrno.ENOSPC,
  EOPNOTSUPP: NbdErrno.ENOTSUP,
};

const NAMES = new Map<number, string>(Object.entries(NbdErrno).map(([name, number]) => [number, name]));

/** The symbolic errno that a server's number stands for; `EIO` for one that is not in the protocol. */
export function errnoOfNbd(number: number): string {
  return NAMES.get(number) ?? 'EIO';
}

/** The NBD number that stands for a thrown value; `EIO` where none fits. */
export function nbdErrnoOf(error: unknown): number {
  return SAME[errnoOf(error)] ?? NbdErrno.EIO;
}
