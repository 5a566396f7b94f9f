/** From what went wrong to what a client is told. */
import { BlockError } from '@blk/core-graph';
import { QmpError } from '@blk/qapi-types';

/** `Device 'x' not found`, class `DeviceNotFound`: what 2.4 says where no device has that name. */
export function deviceNotFound(name: string): QmpError {
  return new QmpError('DeviceNotFound', `Device '${name}' not found`);
}

/** An error without a class of its own. */
export function genericError(desc: string, cause?: unknown): QmpError {
  return new QmpError('GenericError', desc, { cause });
}

/**
 * Any thrown value as the error of a reply. `unexpected` is called with what is neither a `QmpError` nor a `BlockError`:
 * a defect of ours, which belongs into the log.
 */
export function toQmpError(error: unknown, unexpected: (error: unknown) => void): QmpError {
  const text = firstLine(error instanceof Error ? error.message : String(error));
  if (error instanceof QmpError) return new QmpError(error.class, text, { cause: error });
  if (error instanceof BlockError) return genericError(text, error);
  unexpected(error);
  return genericError(`Internal error: ${text}`, error);
}

/** Further lines are hints to people at a terminal; over QMP they are not sent. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0];
}
