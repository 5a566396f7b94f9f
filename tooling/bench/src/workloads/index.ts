// Every workload, in the order of the table of goals.
import type { Workload } from '../workload.js';
import { convert } from './convert.js';
import { imageBench } from './image-bench.js';
import { imageIo } from './image-io.js';
import { job } from './job.js';
import { memory } from './memory.js';
import { nbd } from './nbd.js';
import { redundancy } from './redundancy.js';
import { startUp } from './start-up.js';

export const workloads: readonly Workload[] = [...nbd, ...imageBench, ...convert, ...imageIo, ...startUp, ...memory, ...job, ...redundancy];
