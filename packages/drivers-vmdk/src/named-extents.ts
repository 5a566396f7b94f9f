/** The option `extents`: files that the caller names in place of those that the image does. */
import { wishError } from './errors.js';

/** A list, or an object with numbers as names, as options with dots make it. */
export function parseNamedExtents(value: unknown): readonly unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value as readonly unknown[];
  if (typeof value !== 'object') throw wishError("Invalid parameter type for 'extents', expected: array");
  const named: unknown[] = [];
  for (const [key, extent] of Object.entries(value)) {
    if (!/^\d{1,5}$/.test(key)) throw wishError(`Parameter 'extents.${key}' is unexpected`);
    named[Number(key)] = extent;
  }
  return named;
}
