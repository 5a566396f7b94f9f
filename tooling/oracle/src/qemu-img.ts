// qemu-img and qemu-io.
import { writeFileSync } from 'node:fs';
import type { Prng } from './prng.js';
import { run, type RunOptions, type RunResult } from './run.js';
import { needTool } from './tools.js';

/** Runs qemu-img; a non-zero exit is a result. */
export function qemuImg(...args: readonly string[]): Promise<RunResult> {
  return run(needTool('qemu-img'), args);
}

/**
 * Makes an image.
 * @param size - bytes, or a size as qemu-img reads it
 * @param extra - further arguments before the name, such as `-o` and its list
 * @throws Error with qemu-img's own words if it refuses.
 */
export async function createImage(
  file: string, format: string, size: number | string, ...extra: readonly string[]
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const made = await qemuImg('create', '-q', '-f', format, ...extra, file, String(size));
    // To find out how long deriving a key takes, it measures its own time; where the clock is too coarse for that, it gives up.
    if (attempt === MOST_ATTEMPTS || !made.stderr.includes('Unable to get accurate CPU usage')) {
      succeed(made);
      return;
    }
  }
}

const MOST_ATTEMPTS = 20;

/** What `qemu-img info --output=json` says of an image. */
export async function imageInfo(file: string, ...extra: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout } = succeed(await qemuImg('info', '--output=json', ...extra, file));
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** How qemu-io opens an image. */
export interface QemuIoOptions extends RunOptions {
  /** Default raw, so that content is never probed. */
  readonly format?: string;
  readonly readOnly?: boolean;
  /** Further arguments before the file's name. */
  readonly args?: readonly string[];
}

/**
 * Runs commands of qemu-io on an image, one `-c` each.
 * qemu-io exits with 0 or 1; a pattern that does not match is in its output as well.
 */
export function qemuIo(file: string, commands: readonly string[], options: QemuIoOptions = {}): Promise<RunResult> {
  const { format = 'raw', readOnly = false, args = [], ...rest } = options;
  const words = ['-f', format, ...(readOnly ? ['-r'] : []), ...args, ...commands.flatMap((c) => ['-c', c]), file];
  return run(needTool('qemu-io'), words, rest);
}

/** Random writes and zeroes in the image `file`, by qemu-io, and in `model`; whole sectors. */
export async function scribbleWithQemuIo(file: string, format: string, model: Uint8Array, random: Prng, options: QemuIoOptions = {}): Promise<void> {
  const commands: string[] = [];
  for (let step = 0; step < 12; step++) {
    const offset = random.below(Math.floor(model.length / 512)) * 512;
    const length = Math.min(model.length - offset, 512 * (1 + random.below(3000)));
    const pattern = random.below(256);
    model.fill(pattern, offset, offset + length);
    commands.push(pattern === 0 ? `write -z ${offset} ${length}` : `write -P ${pattern} ${offset} ${length}`);
  }
  succeed(await qemuIo(file, commands, { ...options, format }));
}

/** Throws where qemu-img's check finds something wrong with the image. */
export async function checkImage(file: string, format: string): Promise<void> {
  succeed(await qemuImg('check', '-f', format, file));
}

/** Throws where qemu-img reads other bytes from the image than `expected`. */
export async function expectContent(file: string, format: string, expected: Uint8Array): Promise<void> {
  writeFileSync(`${file}.raw`, expected);
  succeed(await qemuImg('compare', '-f', format, '-F', 'raw', file, `${file}.raw`));
}

/** The result itself, if the program ended well. */
export function succeed(result: RunResult): RunResult {
  if (result.code !== 0) throw new Error(`exit code ${result.code}: ${result.stderr}${result.stdout}`);
  return result;
}
