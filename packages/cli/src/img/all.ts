/** All commands that work on images, and what is said about them together. */
import type { Tool } from '../tool.js';
import { amend } from './amend.js';
import { bench } from './bench.js';
import { bitmap } from './bitmap.js';
import { chain } from './chain.js';
import { check } from './check.js';
import { checksum } from './checksum.js';
import type { ImgCommand } from './command.js';
import { commit } from './commit.js';
import { compare } from './compare.js';
import { convert } from './convert.js';
import { create } from './create.js';
import { dd } from './dd.js';
import { runCommand } from './dispatch.js';
import { info } from './info.js';
import { link } from './link.js';
import { map } from './map.js';
import { measure } from './measure.js';
import { rebase } from './rebase.js';
import { resize } from './resize.js';
import { snapshot } from './snapshot.js';

export const COMMANDS: readonly ImgCommand[] = [
  amend, bench, bitmap, chain, check, checksum, commit, compare, convert, create, dd, info, link, map, measure, rebase, resize, snapshot,
];

/** Runs `argv`, a command with its arguments, or help. Resolves with the exit code; everything has been told by then. */
export async function runAnyImg(tool: Tool, argv: readonly string[]): Promise<number> {
  return runCommand(tool, argv, COMMANDS);
}
