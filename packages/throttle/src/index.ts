/**
 * Leaky buckets and groups that limit I/O per second.
 *
 * @packageDocumentation
 */
export type { Clock } from './clock.js';
export { METERS, UNLIMITED, defectOf, isLimiting, type LimitName, type MeterName, type ThrottleLimits } from './limits.js';
export { Meter, type Direction } from './meter.js';
export { ThrottleMember } from './member.js';
export { ThrottleGroup } from './group.js';
export { ThrottleGroups } from './groups.js';
