import { defineDriver, type BlockDriver } from '@blk/core-graph';
import { driverConformance, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import { UNLIMITED, type LimitName } from '@blk/throttle';
import { throttle } from '../src/index.js';

/** The driver, with its group made before it is opened: the suite makes graphs of its own. */
function inGroup(limits: Partial<Record<LimitName, number>>): BlockDriver {
  return defineDriver({
    ...throttle,
    open: (options, context) => {
      if (context.throttling.made('g') === undefined) context.throttling.make('g', { ...UNLIMITED, ...limits });
      return throttle.open(options as Record<string, unknown>, context);
    },
  });
}

function over(limits: Partial<Record<LimitName, number>>, alignment = 1): Provider {
  return ({ size, seed, asynchronous }) => {
    const disk = new MemoryDisk({ content: new Uint8Array(size), limits: { alignment } });
    if (asynchronous) disk.use(slow(seed));
    return Promise.resolve({
      drivers: [new MemoryDisks().driver, inGroup(limits)],
      definition: { driver: 'throttle', 'throttle-group': 'g', file: { ...disk.definition, discard: 'unmap' } },
      content: new Uint8Array(size),
    });
  };
}

driverConformance({ name: 'throttle without limits', size: 300_000, sizeGranularity: 1, asynchronous: true, histories: 3, provision: over({}) });
driverConformance({
  name: 'throttle with limits that are reached',
  size: 100_352,
  asynchronous: true,
  histories: 2,
  provision: over({ 'bps-total': 400e6, 'iops-read': 20_000 }, 512),
});
