import { driverConformance, inMemory } from '@blk/driver-conformance';
import { luks } from '../src/index.js';
import { secrets } from './support.js';

const variants: { readonly name: string; readonly create: Record<string, unknown> }[] = [
  { name: 'luks', create: {} },
  { name: 'luks with AES-128 in CBC mode and ESSIV', create: { 'cipher-alg': 'aes-128', 'cipher-mode': 'cbc', 'ivgen-alg': 'essiv' } },
];

for (const { name, create } of variants) {
  driverConformance({
    name,
    asynchronous: true,
    histories: 2,
    steps: 25,
    provision: inMemory(luks, {
      create: { 'key-secret': 'sec0', 'iter-time': 0, ...create },
      open: { 'key-secret': 'sec0' },
      secrets,
      noise: true,
    }),
  });
}
