// The content of a file, written through the disk, is one array of bytes; the directory keeps it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { driverConformance } from '@blk/driver-conformance';
import { raw } from '@blk/drivers-raw';
import { tempDir } from '@blk/oracle';
import { vvfat } from '../src/index.js';
import { DATA } from './sample.js';

driverConformance({
  name: 'a file of a directory that is a disk (vvfat)',
  // Commits copy the file.
  histories: 2,
  provision: ({ size }) => {
    const dir = tempDir();
    mkdirSync(dir.file('d'));
    writeFileSync(dir.file('d/CONTENT'), new Uint8Array(size));
    // The only file begins with the first cluster. The disk stays writable where only the file is not to be.
    const file = { driver: 'vvfat', dir: dir.file('d'), 'fat-type': 12, floppy: true, rw: true, 'read-only': false };
    return Promise.resolve({
      drivers: [vvfat, raw],
      definition: { driver: 'raw', offset: DATA, size, file },
      dispose: () => { rmSync(dir.path, { recursive: true, force: true }); },
    });
  },
});
