import { driverConformance, inMemory } from '@blk/driver-conformance';
import { vhdx } from '../src/index.js';

driverConformance({ name: 'vhdx, dynamic', asynchronous: true, histories: 3, size: 2_500_096, provision: inMemory(vhdx, { create: { block_size: 1 << 20 } }) });
driverConformance({ name: 'vhdx, fixed', asynchronous: true, histories: 1, provision: inMemory(vhdx, { create: { subformat: 'fixed', block_size: 1 << 20 } }) });
