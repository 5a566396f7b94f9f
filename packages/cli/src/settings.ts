/** Words of command lines that several programs share: cache modes, discard modes, option strings of images. */
import type { BlockError, Definition } from '@blk/core-graph';
import { splitOptions, type AnySource } from '@blk/image';
import { ExitError } from './tool.js';

export interface CacheMode {
  readonly direct: boolean;
  readonly noFlush: boolean;
  readonly writeThrough: boolean;
}

const CACHE_MODES: Readonly<Record<string, CacheMode>> = {
  none: { direct: true, noFlush: false, writeThrough: false },
  off: { direct: true, noFlush: false, writeThrough: false },
  writeback: { direct: false, noFlush: false, writeThrough: false },
  writethrough: { direct: false, noFlush: false, writeThrough: true },
  directsync: { direct: true, noFlush: false, writeThrough: true },
  unsafe: { direct: false, noFlush: true, writeThrough: false },
};

/** The cache mode of this name, or undefined. */
export function cacheMode(name: string): CacheMode | undefined {
  return Object.hasOwn(CACHE_MODES, name) ? CACHE_MODES[name] : undefined;
}

/** An image as a command line names it: a file name, or with `--image-opts` a list of options. */
export function sourceOf(text: string, imageOpts: boolean): AnySource {
  return imageOpts ? { definition: parseImageOptions(text), name: text } : text;
}

/** `driver=qcow2,file.filename=x`. Errors name the whole text, as those of opening do. */
export function parseImageOptions(text: string): Definition {
  const definition: Record<string, string> = {};
  const bad = (message: string): ExitError => new ExitError(1, `Could not open '${text}': ${message}`);
  let items: [string, string | undefined][];
  try {
    items = text === '' ? [] : splitOptions(text);
  } catch (error) {
    throw bad((error as BlockError).message);
  }
  for (const [name, value] of items) {
    if (value === undefined && items.length === 1) throw bad(`Cannot find device='${name}' nor node-name='${name}'`);
    definition[name] = value ?? 'on';
  }
  const names = Object.keys(definition);
  if (!names.some((name) => name === 'driver' || name === 'file' || name.startsWith('file.'))) throw bad('Must specify either driver or file');
  return definition;
}
