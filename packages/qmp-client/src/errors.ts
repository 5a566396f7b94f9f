/** Why a conversation is over. What the server answers to a command is a `QmpError` of `@blk/qapi-types`. */

export type ConnectionFailure =
  /** The socket could not be opened. */
  | 'connect'
  /** What came is not QMP, or answers nothing that was asked. */
  | 'protocol'
  /** The server, or the way to it, is gone. */
  | 'gone'
  /** The greeting and the negotiation took too long. */
  | 'timeout'
  /** `close` was called. */
  | 'closed';

/** The connection can't be used (any more). Commands under way may have been carried out. */
export class QmpConnectionError extends Error {
  override readonly name = 'QmpConnectionError';

  constructor(
    readonly failure: ConnectionFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
