/** What commands print about a request: the counters with their rates, and dumps of buffers. */
import { humanSize } from './sizes.js';

/** `-q` prints nothing, `-C` one line for programs. */
export type ReportStyle = 'human' | 'quiet' | 'machine';

/** The lines after a request of `length` bytes of which `done` were moved, in `seconds`. */
export function reportRequest(
  verb: string,
  style: ReportStyle,
  offset: number,
  length: number,
  done: number,
  seconds: number,
  operations = 1,
): string {
  if (style === 'quiet') return '';
  const elapsed = Math.max(seconds, 1e-9);
  const bytesRate = done / elapsed;
  const operationsRate = operations / elapsed;
  if (style === 'machine') {
    return `${done},${operations},${clock(seconds, true)},${bytesRate.toFixed(3)},${operationsRate.toFixed(3)}\n`;
  }
  return (
    `${verb} ${done}/${length} bytes at offset ${offset}\n` +
    `${humanSize(done)}, ${operations} ops; ${clock(seconds, false)} (${humanSize(bytesRate)}/sec and ${operationsRate.toFixed(4)} ops/sec)\n`
  );
}

function clock(seconds: number, verbose: boolean): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = (seconds % 60).toFixed(2).padStart(5, '0');
  if (verbose || hours > 0) return `${hours}:${two(minutes)}:${rest}`;
  return minutes > 0 ? `${two(minutes)}:${rest}` : `${rest} sec`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** Rows of sixteen bytes with their offset, in hexadecimal and as text. */
export function dump(bytes: Uint8Array, offset: number): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, '0') + ' ').join('');
    const shown = Array.from(row, (byte) => (byte > 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    text += `${(offset + at).toString(16).padStart(8, '0')}:  ${hex} ${shown}\n`;
  }
  return text;
}
