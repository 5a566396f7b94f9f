/** The error of QMP: a class to branch on and a text for people. */

/** The classes that a client can tell apart. */
export type QmpErrorClass =
  | 'GenericError'
  | 'CommandNotFound'
  | 'DeviceEncrypted'
  | 'DeviceNotActive'
  | 'DeviceNotFound'
  | 'KVMMissingCap';

/** A failed command, a refused value. `message` and `desc` are the same text. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
  /** The class as it goes over the wire. */
  readonly class: QmpErrorClass;

  constructor(errorClass: QmpErrorClass, desc: string, options?: ErrorOptions) {
    super(desc, options);
    this.class = errorClass;
  }

  /** The text as it goes over the wire. */
  get desc(): string {
    return this.message;
  }

  /** The value of a response's `error` member. */
  toJSON(): { class: QmpErrorClass; desc: string } {
    return { class: this.class, desc: this.message };
  }
}
