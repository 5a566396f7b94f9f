/** What a command of `blk` sees of the world; tests hand in their own. */
import type { Readable, Writable } from 'node:stream';

export interface Terminal {
  /** Name that begins messages, without colon: `blk nbd`, or the name of the tool that this program was called as. */
  readonly name: string;
  out(text: string): void;
  err(text: string): void;
  readonly input: Readable;
  /** Standard input is a person's. */
  readonly interactive: boolean;
  /** Where a person's line is shown while it is edited. */
  readonly screen?: Writable;
  /** Interrupts a session: what SIGINT is to the program. */
  readonly signal?: AbortSignal;
  /** The file of this program, for starting it again. */
  readonly program: string;
}
