import { writeFileSync, truncateSync, rmSync } from 'node:fs';
import { driverConformance, type Provider } from '@blk/driver-conformance';
import { prng, tempDir } from '@blk/oracle';
import { describe } from 'vitest';
import type { FileDrivers } from '../src/index.js';
import { MODES, loopDevice, titled, withoutLoop } from './support.js';

/** A file with random content, opened with `options`. */
function onFile(drivers: FileDrivers, options = {}): Provider {
  return async ({ size, seed }) => {
    const dir = tempDir();
    const filename = dir.file('disk');
    const content = prng(seed).bytes(Math.floor(size / 2));
    writeFileSync(filename, content);
    truncateSync(filename, size);
    return {
      drivers: [drivers.file],
      definition: { driver: 'file', filename, ...options },
      content,
      dispose: () => { dir[Symbol.dispose](); },
    };
  };
}

const loop = withoutLoop();

for (const { mode, drivers } of MODES) {
  const both = drivers();
  driverConformance({ name: `file ${mode}`, size: 600_001, sizeGranularity: 1, histories: 4, provision: onFile(both) });
  driverConformance({
    name: `file past the page cache ${mode}`,
    size: 614_400,
    sizeGranularity: 4096,
    histories: 2,
    provision: onFile(both, { cache: { direct: true }, aio: 'native' }),
  });

  describe.skipIf(loop !== '')(titled('on a loop device', loop), () => {
    driverConformance({
      name: `host_device ${mode}`,
      size: 614_400,
      histories: 2,
      provision: async ({ size, seed }) => {
        const dir = tempDir();
        const content = prng(seed).bytes(size);
        writeFileSync(dir.file('disk'), content);
        const device = loopDevice(dir.file('disk'));
        return {
          drivers: [both.hostDevice],
          definition: { driver: 'host_device', filename: device.path },
          content,
          dispose: () => {
            device[Symbol.dispose]();
            rmSync(dir.path, { recursive: true, force: true });
          },
        };
      },
    });
  });
}
