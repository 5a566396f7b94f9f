/** Which program this is, what it may use of its surroundings, and how it ends with an error. */
import type { Readable, Writable } from 'node:stream';
import type { ToolObjects } from './objects.js';

/** Where a program's words go and come from; tests hand in their own. */
export interface ToolIo {
  readonly stdin: Readable;
  out(text: string): void;
  err(text: string): void;
  /** Set where a person sits at standard input and output. */
  readonly screen?: Writable | undefined;
  /** Bytes to where `out` goes; resolves when they are handed over. Absent: only text can go there. */
  outBytes?(bytes: Uint8Array): Promise<void>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Interrupts the work: what SIGINT and SIGTERM are to the program. */
  readonly signal: AbortSignal;
  /** Calls back whenever somebody wants to know how far the work is (SIGUSR1); the returned function ends that. */
  onProgressWanted?(listener: () => void): () => void;
  /** `FileDriversOptions.lockList`, for commands that only look. */
  readonly lockList?: Promise<string | undefined>;
}

/** The names under which the program is known. */
export const TOOL_NAMES = ['qemu-img', 'qemu-io', 'qemu-nbd', 'qemu-storage-daemon'] as const;
export type ToolName = (typeof TOOL_NAMES)[number];

/** One invocation: the program's own name, and how it calls itself in messages. */
export interface Tool {
  /** Begins every message: `blk`, or the name of the reference tool that it was called by. */
  readonly name: string;
  /** Called by the name of a reference tool. */
  readonly alias: boolean;
  readonly io: ToolIo;
  /** What `--object` describes. */
  readonly objects?: ToolObjects | undefined;
}

/** Ends a program with an exit code; the message, where there is one, goes to standard error behind the program's name. */
export class ExitError extends Error {
  constructor(
    readonly code: number,
    message = '',
    /** Lines behind the message, printed as they are. */
    readonly hint = '',
  ) {
    super(message);
  }
}

/** Exit code of a command that a signal stopped. */
export const INTERRUPTED = 130;

/** A wrong command line: the message, and where to find help. */
export class UsageError extends Error {}

/** `name: message`. */
export function say(tool: Tool, message: string): void {
  tool.io.err(`${tool.name}: ${message}\n`);
}

export const VERSION = '0.1.0';

/** What `--version` prints: a reference tool's first line keeps the shape that scripts look for. */
export function versionText(tool: Tool): string {
  return tool.alias ? `${tool.name} version 7.2.0 (blk ${VERSION})\n` : `blk version ${VERSION}\n`;
}
