import { driverConformance, inMemory } from '@blk/driver-conformance';
import { vmdk } from '../src/index.js';

driverConformance({ name: 'vmdk, one sparse file', asynchronous: true, histories: 3, provision: inMemory(vmdk) });
driverConformance({ name: 'vmdk, zeroed grains', histories: 2, provision: inMemory(vmdk, { create: { zeroed_grain: true } }) });
driverConformance({ name: 'vmdk, one flat file', histories: 1, provision: inMemory(vmdk, { create: { subformat: 'monolithicFlat' } }) });
driverConformance({ name: 'vmdk, compressed', histories: 1, asynchronous: true, provision: inMemory(vmdk, { create: { subformat: 'streamOptimized' } }) });
