/**
 * The one error class that crosses package borders.
 *
 * `kind` is a small closed set to branch on; `message` is a sentence for people, in QEMU's wording where QEMU has one;
 * detail belongs to `context` and `cause`. A new driver adds reasons, never kinds.
 */
export type BlockErrorKind =
  | 'invalid-image'
  | 'invalid-argument'
  | 'unsupported'
  | 'not-found'
  | 'exists'
  | 'permission'
  | 'read-only'
  | 'busy'
  | 'no-space'
  | 'no-medium'
  | 'out-of-range'
  | 'too-large'
  | 'io'
  | 'corrupt'
  | 'closed'
  | 'aborted'
  | 'timeout'
  | 'policy';

/** Where an error happened. Every member is for people and logs; none is needed to handle the error. */
export interface BlockErrorContext {
  /** Driver that raised it, for example `qcow2`. */
  readonly driver?: string;
  /** Stable identifier of the defect, for example `qcow2/unknown-features`. */
  readonly reason?: string;
  /** Node or file it is about. */
  readonly node?: string;
  readonly filename?: string;
  /** Position in bytes, in the space that the message names. */
  readonly offset?: number;
  /** Symbolic errno of the operating system, where one caused it (`ENOSPC`). */
  readonly code?: string;
}

export class BlockError extends Error {
  override readonly name = 'BlockError';

  constructor(
    readonly kind: BlockErrorKind,
    message: string,
    readonly context: BlockErrorContext = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }

  /** Symbolic errno that stands for this error towards NBD clients, exit texts and error policies. */
  get errno(): string {
    return this.context.code ?? ERRNO_OF_KIND[this.kind];
  }
}

const ERRNO_OF_KIND = {
  'invalid-image': 'EINVAL',
  'invalid-argument': 'EINVAL',
  unsupported: 'ENOTSUP',
  'not-found': 'ENOENT',
  exists: 'EEXIST',
  permission: 'EACCES',
  'read-only': 'EPERM',
  busy: 'EBUSY',
  'no-space': 'ENOSPC',
  'no-medium': 'ENOMEDIUM',
  'out-of-range': 'EIO',
  'too-large': 'EFBIG',
  io: 'EIO',
  corrupt: 'EIO',
  closed: 'ESHUTDOWN',
  aborted: 'ECANCELED',
  timeout: 'ETIMEDOUT',
  policy: 'EPERM',
} satisfies Record<BlockErrorKind, string>;

/** Errno, number and text as the C library on Linux gives them; the texts end many of QEMU's messages. */
const ERRNO: Record<string, readonly [number, string]> = {
  EPERM: [1, 'Operation not permitted'],
  ENOENT: [2, 'No such file or directory'],
  EIO: [5, 'Input/output error'],
  ENXIO: [6, 'No such device or address'],
  EBADF: [9, 'Bad file descriptor'],
  EAGAIN: [11, 'Resource temporarily unavailable'],
  ENOMEM: [12, 'Cannot allocate memory'],
  EACCES: [13, 'Permission denied'],
  EBUSY: [16, 'Device or resource busy'],
  EEXIST: [17, 'File exists'],
  ENODEV: [19, 'No such device'],
  ENOTDIR: [20, 'Not a directory'],
  EISDIR: [21, 'Is a directory'],
  EINVAL: [22, 'Invalid argument'],
  EMFILE: [24, 'Too many open files'],
  ETXTBSY: [26, 'Text file busy'],
  EFBIG: [27, 'File too large'],
  ENOSPC: [28, 'No space left on device'],
  EROFS: [30, 'Read-only file system'],
  ERANGE: [34, 'Numerical result out of range'],
  ENAMETOOLONG: [36, 'File name too long'],
  ELOOP: [40, 'Too many levels of symbolic links'],
  EOVERFLOW: [75, 'Value too large for defined data type'],
  ENOTSUP: [95, 'Operation not supported'],
  EOPNOTSUPP: [95, 'Operation not supported'],
  EADDRINUSE: [98, 'Address already in use'],
  EADDRNOTAVAIL: [99, 'Cannot assign requested address'],
  ENETUNREACH: [101, 'Network is unreachable'],
  ECONNRESET: [104, 'Connection reset by peer'],
  ESHUTDOWN: [108, 'Cannot send after transport endpoint shutdown'],
  ETIMEDOUT: [110, 'Connection timed out'],
  ECONNREFUSED: [111, 'Connection refused'],
  EHOSTUNREACH: [113, 'No route to host'],
  ENOMEDIUM: [123, 'No medium found'],
  ECANCELED: [125, 'Operation canceled'],
  EDQUOT: [122, 'Disk quota exceeded'],
};

/** Text of a symbolic errno as `strerror` gives it; an unknown one is given back as it is. */
export function strerror(code: string): string {
  return ERRNO[code]?.[1] ?? code;
}

/** Linux number of a symbolic errno; 5 (EIO) for an unknown one. */
export function errnoNumber(code: string): number {
  return ERRNO[code]?.[0] ?? 5;
}

/** Symbolic errno of a Linux number; for one without a name, what `strerror` says of it. */
export function errnoCode(number: number): string {
  for (const [code, [known]] of Object.entries(ERRNO)) if (known === number) return code;
  return `Unknown error ${number}`;
}

/** Symbolic errno of any thrown value: a `BlockError`'s own, a system error's `code`, else `EIO`. */
export function errnoOf(error: unknown): string {
  if (error instanceof BlockError) return error.errno;
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && code in ERRNO ? code : 'EIO';
}

const KIND_OF_ERRNO: Record<string, BlockErrorKind> = {
  ENOENT: 'not-found',
  EEXIST: 'exists',
  EACCES: 'permission',
  EPERM: 'permission',
  EROFS: 'permission',
  EBUSY: 'busy',
  EAGAIN: 'busy',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EFBIG: 'too-large',
  EINVAL: 'invalid-argument',
  ENOTSUP: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  ENOMEDIUM: 'no-medium',
  ETIMEDOUT: 'timeout',
  ECANCELED: 'aborted',
};

/** A `BlockError` for an error of the operating system; `what` says what was tried: `what: No such file or directory`. */
export function systemError(what: string, error: unknown, context: BlockErrorContext = {}): BlockError {
  if (error instanceof BlockError) return error;
  const code = errnoOf(error);
  return new BlockError(KIND_OF_ERRNO[code] ?? 'io', `${what}: ${strerror(code)}`, { ...context, code }, error);
}

/** Text of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
