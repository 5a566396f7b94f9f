import { driverConformance, inMemory } from '@blk/driver-conformance';
import { qcow2 } from '../src/index.js';
import { secrets } from './support.js';

const KEY = { 'encrypt.key-secret': 'sec0' };
const variants: { readonly name: string; readonly create: Record<string, unknown>; readonly open?: Record<string, unknown>; readonly histories: number }[] = [
  { name: 'qcow2', create: {}, histories: 4 },
  { name: 'qcow2 version 2 with clusters of 4096', create: { compat: '0.10', cluster_size: 4096 }, histories: 3 },
  {
    name: 'qcow2 with clusters of 512, 1-bit refcounts and tiny caches',
    create: { cluster_size: 512, refcount_bits: 1 },
    open: { 'cache-size': 2048 },
    // Requests that fight for the few tables were caught by the ninth.
    histories: 12,
  },
  { name: 'qcow2 with lazy refcounts', create: { cluster_size: 1024, lazy_refcounts: true }, histories: 2 },
  { name: 'qcow2 with AES encryption', create: { 'encrypt.format': 'aes', ...KEY, cluster_size: 4096 }, open: KEY, histories: 2 },
  {
    name: 'qcow2 with LUKS encryption and preallocation',
    create: { 'encrypt.format': 'luks', 'encrypt.iter-time': 0, ...KEY, cluster_size: 16384, preallocation: 'metadata' },
    open: KEY,
    histories: 1,
  },
  { name: 'qcow2 with extended L2 entries', create: { extended_l2: true, cluster_size: 16384 }, histories: 4 },
  { name: 'qcow2 with an external data file', create: { data_file: 'memory:data' }, histories: 2 },
  { name: 'qcow2 with a raw external data file and extended L2 entries', create: { data_file: 'memory:data', data_file_raw: true, extended_l2: true }, histories: 3 },
  { name: 'qcow2 with preallocated clusters of 2 MiB', create: { cluster_size: 2 << 20, preallocation: 'metadata' }, histories: 1 },
];

for (const { name, create, open, histories } of variants) {
  driverConformance({ name, asynchronous: true, histories, provision: inMemory(qcow2, { create, secrets, ...(open ? { open } : {}) }) });
}
