/** Snapshots as people read them: one line each, in the reference's columns. */
import { shortSize } from '../text.js';

/** What a line shows. */
export interface ListedSnapshot {
  readonly id: string;
  readonly name: string;
  readonly vmStateSize: number;
  readonly dateSec: number;
  /** Nanoseconds. */
  readonly vmClockNsec: bigint;
  readonly icount?: bigint | undefined;
}

/** The head and a line for each; dates in the local time zone. */
export function snapshotList(list: readonly ListedSnapshot[]): string {
  const lines = list.map(({ id, name, vmStateSize, dateSec, vmClockNsec, icount }) =>
    columns(id, name, shortSize(vmStateSize), date(dateSec), clock(vmClockNsec), icount === undefined ? '' : String(icount)),
  );
  return [columns('ID', 'TAG', 'VM SIZE', 'DATE', 'VM CLOCK', 'ICOUNT'), ...lines].map((line) => `${line}\n`).join('');
}

function columns(id: string, tag: string, size: string, when: string, vmClock: string, icount: string): string {
  return `${pad(id, 9)} ${pad(tag, 16)} ${size.padStart(8)}${when.padStart(20)}${vmClock.padStart(13)}${icount.padStart(11)}`;
}

/** Filled up to a width in bytes, as C counts it. */
function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - new TextEncoder().encode(text).length));
}

function date(seconds: number): string {
  const at = new Date(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function clock(nanoseconds: bigint): string {
  const milliseconds = nanoseconds / 1_000_000n;
  const seconds = milliseconds / 1000n;
  const two = (value: bigint): string => String(value).padStart(2, '0');
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${String(milliseconds % 1000n).padStart(3, '0')}`;
}
