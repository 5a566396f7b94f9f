/** The commands that are used most and start fastest; the others are in `all.ts`. */
import type { Tool } from '../tool.js';
import { compare } from './compare.js';
import { convert } from './convert.js';
import { create } from './create.js';
import { runCommand } from './dispatch.js';
import { info } from './info.js';
import { map } from './map.js';
import { resize } from './resize.js';

/** Runs `argv`, one of these commands with its arguments. Resolves with the exit code; everything has been told by then. */
export async function runImg(tool: Tool, argv: readonly string[]): Promise<number> {
  return runCommand(tool, argv, [compare, convert, create, info, map, resize]);
}
