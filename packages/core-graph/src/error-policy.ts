/** What a device does about failed requests: report, ignore, stop; and the status that it shows. */
import { BlockError, errnoOf, systemError } from './errors.js';

export type Operation = 'read' | 'write' | 'flush';
export type OnError = 'report' | 'ignore' | 'enospc' | 'stop';
export type BlockErrorAction = 'report' | 'ignore' | 'stop';
export type IoStatus = 'ok' | 'failed' | 'nospace';

/** The action that `policy` prescribes for an error of this errno. */
export function actionFor(policy: OnError, errno: string): BlockErrorAction {
  if (policy === 'enospc') return errno === 'ENOSPC' ? 'stop' : 'report';
  return policy;
}

/** The status that an error leaves. */
export function statusAfter(errno: string): IoStatus {
  return errno === 'ENOSPC' ? 'nospace' : 'failed';
}

/** Any thrown value as a `BlockError`. */
export function asBlockError(error: unknown): BlockError {
  return error instanceof BlockError ? error : systemError('Request failed', { code: errnoOf(error) });
}
