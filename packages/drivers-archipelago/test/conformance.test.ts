import { driverConformance, prng, SparseBytes } from '@blk/driver-conformance';
import { archipelagoDriver } from '../src/index.js';
import { Cluster } from './cluster.js';

driverConformance({
  name: 'archipelago',
  asynchronous: true,
  provision: ({ size, seed, asynchronous }) => {
    const cluster = new Cluster(asynchronous ? { seed } : {});
    const content = prng(seed).bytes(size);
    cluster.volumes.set('disk01', SparseBytes.from(content));
    return Promise.resolve({
      drivers: [archipelagoDriver({ transport: cluster.transport })],
      definition: { driver: 'archipelago', volume: 'disk01' },
      content,
      dispose: () => {
        if (cluster.lent > 0) throw new Error(`${cluster.lent} requests were never given back`);
        if (cluster.ports.some(({ closed }) => closed === undefined)) throw new Error('a port was never given back');
      },
    });
  },
});
