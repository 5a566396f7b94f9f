/**
 * The benchmark: ours and the reference tool in turn, in one run.
 *
 * @packageDocumentation
 */
export { workloads } from './workloads/index.js';
export type { Workload } from './workload.js';
