import { driverConformance, prng } from '@blk/driver-conformance';
import { skipUnless } from '@blk/oracle';
import { afterAll, beforeAll, describe } from 'vitest';
import { serve, type Served } from './support.js';

const size = 300_032;

const needs = skipUnless('sshd', 'ssh-keygen');
describe.skipIf(needs.skip)(needs.title('a file on an OpenSSH server'), () => {
  let served: Served;
  let images = 0;
  beforeAll(async () => { served = await serve(); });
  afterAll(() => served[Symbol.asyncDispose]());

  driverConformance({
    name: 'ssh',
    size,
    sizeGranularity: 1,
    histories: 1,
    steps: 25,
    provision: async ({ seed }) => {
      const name = `disk${images++}`;
      const content = prng(seed).bytes(size);
      served.put(name, content);
      return { drivers: [served.driver], definition: served.definition(name), content };
    },
  });
});
