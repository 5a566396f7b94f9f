/** The options of `-drive` that limit its I/O: `throttling.…`, and the shorter names of old. */
import { defectOf, UNLIMITED, type LimitName, type ThrottleLimits } from '@blk/throttle';
import { genericError } from '../errors.js';
import { LIMIT_NAMES } from '../throttle-limits.js';
import { take, type SimpleOptions } from './simple-options.js';

/** Takes the limits, and the name of the group that shares them, out of the options. Throws where the limits are wrong. */
export function takeLimits(options: SimpleOptions): { limits: ThrottleLimits; group: string | undefined } {
  const limits: Record<LimitName, number> = { ...UNLIMITED };
  for (const [short, long] of LIMIT_NAMES) {
    // The lengths of bursts are younger than the short names.
    const text = takeEither(options, `throttling.${long}`, long.endsWith('-length') ? undefined : short);
    if (text !== undefined) limits[long] = numberOf(text, `throttling.${long}`);
  }
  const defect = defectOf(limits);
  if (defect !== undefined) throw genericError(defect);
  return { limits, group: takeEither(options, 'throttling.group', 'group') };
}

function takeEither(options: SimpleOptions, name: string, alias: string | undefined): string | undefined {
  const [text, other] = [take(options, name), alias === undefined ? undefined : take(options, alias)];
  if (text !== undefined && other !== undefined) throw genericError(`'${name}' and its alias '${alias}' can't be used at the same time`);
  return text ?? other;
}

function numberOf(text: string, name: string): number {
  if (!/^-?(0x[0-9a-f]+|\d+)$/i.test(text)) throw genericError(`Parameter '${name}' expects a number`);
  const size = Number(text.replace('-', ''));
  return text.startsWith('-') ? -size : size;
}
