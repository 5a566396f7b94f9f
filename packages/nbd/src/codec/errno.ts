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

/** The NBD number that stands for a thrown value; `EIO` where none fits. */
export function nbdErrnoOf(error: unknown): number {
  return SAME[errnoOf(error)] ?? NbdErrno.EIO;
}
