import { driverConformance, prng } from '@blk/driver-conformance';
import { blob, blobSource, MemorySource } from '../src/index.js';

const size = 400_001;

driverConformance({
  name: 'blob over a Blob',
  size,
  histories: 3,
  provision: async ({ seed }) => {
    const content = prng(seed).fill(new Uint8Array(size));
    return { drivers: [blob], definition: blobSource(new Blob([content])), content };
  },
});

driverConformance({
  name: 'blob over a byte array',
  size,
  provision: async ({ seed }) => {
    const content = prng(seed).bytes(size);
    return { drivers: [blob], definition: blobSource(content.slice(), { writable: true }), content };
  },
});

driverConformance({
  name: 'blob over memory that grows',
  size,
  sizeGranularity: 1,
  provision: async ({ seed }) => {
    const content = prng(seed).bytes(size);
    return { drivers: [blob], definition: blobSource(new MemorySource({ content })), content };
  },
});
