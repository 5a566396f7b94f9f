/** Every way in which a server can disappoint, in words. */
import { BlockError, type BlockErrorKind } from '@blk/core-graph';
import { printable } from '@blk/remote';

/** `reason` names the defect for programs. */
export function tftpError(kind: BlockErrorKind, reason: string, message: string): BlockError {
  return new BlockError(kind, message, { driver: 'tftp', reason: `tftp/${reason}` });
}

/** Codes of RFC 1350 that no further attempt makes good. */
const KINDS: Readonly<Record<number, BlockErrorKind>> = { 1: 'not-found', 2: 'permission', 4: 'unsupported', 6: 'unsupported', 7: 'permission', 8: 'unsupported' };

/** What a server says instead of sending the file. */
export function refusal(code: number, text: string): BlockError {
  return tftpError(KINDS[code] ?? 'io', 'refused', `The server refuses to send the file: ${text === '' ? 'no reason given' : printable(text)} (error ${code})`);
}
