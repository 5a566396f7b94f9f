/**
 * The driver contract as tests, and disks in memory that record, fail and dawdle.
 *
 * @packageDocumentation
 */
export { prng, type Prng } from '@blk/oracle';
export { expectSameBytes } from './same-bytes.js';
export { SparseBytes } from './sparse-bytes.js';
export { MemoryDisk, type DiskOperation, type DiskTap, type DiskVerb, type MemoryDiskOptions } from './memory-disk.js';
export { MemoryDisks } from './memory-driver.js';
export { slow, Slow, type SlowOptions } from './slow.js';
export { HastyClock } from './hasty-clock.js';
export { faulty, Faults, type FaultRule } from './faulty.js';
export { recorder, Recording, type Clock, type RecordedOperation, type Survival } from './recorder.js';
export { provePowerCuts, type PowerCutPlan, type PowerCutSubject } from './power-cuts.js';
export { proveFailingDisk, type FailingDiskPlan, type FailingDiskSubject } from './failing-disk.js';
export { proveFlushAgain, type Fill, type FlushAgainPlan } from './flush-again.js';
export { proveFarPlaces, type FarPlacesPlan } from './far-places.js';
export { passthrough } from './passthrough.js';
export { BytesModel } from './bytes-model.js';
export { driverConformance, type Conformance } from './conformance.js';
export type { Provider, Provision, ProvisionRequest } from './rig.js';
export { inMemory, type InMemoryOptions } from './in-memory.js';
export { runReadmeExample } from './readme.js';
export {
  FormatBench, loadDisk, readAll, saveDisk, scribble, writeBytes, type FormatBenchOptions, type HowToOpen,
} from './format-bench.js';
