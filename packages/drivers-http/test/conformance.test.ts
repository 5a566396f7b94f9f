import { writeFileSync } from 'node:fs';
import { driverConformance, prng, type Provision } from '@blk/driver-conformance';
import { skipUnless, startNginx, tempDir } from '@blk/oracle';
import { defineDriver, type BlockDriver } from '@blk/core-graph';
import { describe } from 'vitest';
import type { HttpOptions } from '../src/drivers.js';
import { httpDrivers, http } from '../src/index.js';
import { openHttp } from '../src/open.js';
import { openTransport } from '../src/platform/transport.js';
import { content, serve } from './support.js';

const size = 700_123;

/** The driver as browsers have it. */
const byFetch: BlockDriver = defineDriver({
  ...httpDrivers().http,
  open: (options, context) => openHttp('http', options as HttpOptions, context, {}, openTransport),
});

const provisionOwn = (driver: BlockDriver, more: object) => async ({ seed }: { seed: number }): Promise<Provision> => {
  const bytes = prng(seed).bytes(size);
  const served = await serve(content(bytes));
  return {
    drivers: [driver],
    definition: { driver: 'http', url: served.url, 'auto-read-only': true, ...more },
    content: bytes,
    dispose: async () => { await served[Symbol.asyncDispose](); },
  };
};

driverConformance({ name: 'http from a server of Node', size, histories: 2, provision: provisionOwn(http, { readahead: 16384 }) });
driverConformance({ name: 'http without reading ahead', size, histories: 1, provision: provisionOwn(http, { readahead: 0 }) });
driverConformance({ name: 'http by fetch', size, histories: 2, provision: provisionOwn(byFetch, { readahead: 65536 }) });

const needs = skipUnless('nginx');
describe.skipIf(needs.skip)(needs.title('from nginx'), () => {
  const provision = (config: string) => async ({ seed }: { seed: number }): Promise<Provision> => {
    const bytes = prng(seed).bytes(size);
    const dir = tempDir();
    writeFileSync(dir.file('disk.raw'), bytes);
    const nginx = await startNginx({ root: dir.path, config });
    return {
      drivers: [http],
      definition: { driver: 'http', url: `${nginx.url}/disk.raw`, 'auto-read-only': true },
      content: bytes,
      dispose: async () => {
        await nginx.stop();
        dir[Symbol.dispose]();
      },
    };
  };
  driverConformance({ name: 'http from nginx', size, histories: 1, steps: 20, provision: provision('') });
  driverConformance({ name: 'http from nginx without ranges', size, histories: 1, steps: 20, provision: provision('max_ranges 0;') });
});
