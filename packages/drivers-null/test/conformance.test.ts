import { driverConformance } from '@blk/driver-conformance';
import { nullAio, nullCo } from '../src/index.js';

driverConformance({
  name: 'null-co',
  forgets: true,
  histories: 3,
  provision: async ({ size }) => ({ drivers: [nullCo], definition: { driver: 'null-co', size } }),
});

driverConformance({
  name: 'null-aio that says it is zero and takes its time',
  forgets: true,
  histories: 1,
  steps: 12,
  asynchronous: true,
  size: 100_000,
  provision: async ({ size, asynchronous }) => ({
    drivers: [nullAio],
    definition: { driver: 'null-aio', size, 'read-zeroes': true, 'latency-ns': asynchronous ? 1000 : 0 },
  }),
});
