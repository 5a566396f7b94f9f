/** The threads that copy from file to file, started while the images are still being opened: that takes them 30 ms. */
import { statSync } from 'node:fs';
import { prepareCopies } from '@blk/drivers-file';
import type { Options } from './command.js';

/** Bytes that are stored of the sources, from which on the threads are used for most of them. */
const WORTH = 64 * 1024 * 1024;

/** Formats whose files the threads can fill. */
const FORMATS = new Set(['raw', 'qcow2']);

/** For a `convert`, where it looks as if they will be used: nothing stands between the source's file and the target's. */
export function startEarly(options: Options): void {
  if (options.has('c') || options.has('r') || options.has('salvage') || options.has('image-opts') || !FORMATS.has(options.get('O') ?? 'raw')) return;
  let bytes = 0;
  for (const name of options.operands.slice(0, -1)) bytes += storedOf(name);
  if (bytes >= WORTH) prepareCopies();
}

/** 0 for what is no file. */
function storedOf(name: string): number {
  try {
    return statSync(name).blocks * 512;
  } catch {
    return 0;
  }
}
