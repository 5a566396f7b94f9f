// Our counterpart of qemu-img bench, on the packages themselves and with its options, so that one line serves both:
// image-bench -f FORMAT -c COUNT -d DEPTH -s BYTES -S STEP [-t CACHE] [-i AIO] [-w] FILE
import { parseArgs } from 'node:util';
import { BlockGraph, type Backend, type BlockDriver } from '@blk/core-graph';
import * as all from '@blk/drivers-all';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    format: { type: 'string', short: 'f', default: 'raw' },
    count: { type: 'string', short: 'c', default: '75000' },
    depth: { type: 'string', short: 'd', default: '64' },
    size: { type: 'string', short: 's', default: '4096' },
    step: { type: 'string', short: 'S' },
    cache: { type: 'string', short: 't', default: 'writeback' },
    aio: { type: 'string', short: 'i', default: 'threads' },
    write: { type: 'boolean', short: 'w', default: false },
  },
});
const aio = values.aio;
if (aio !== 'threads' && aio !== 'native' && aio !== 'io_uring') throw new Error(`-i ${aio}: threads, native or io_uring`);
const drivers = Object.values(all as Record<string, unknown>).find((value) => Array.isArray(value)) as readonly BlockDriver[];
const graph = new BlockGraph({ drivers });
const backend = await graph.openBackend(positionals[0], {
  format: values.format,
  aio,
  readOnly: !values.write,
  cache: { direct: values.cache === 'none' || values.cache === 'directsync' },
});
const size = Number(values.size);
const seconds = await bench(backend, {
  count: Number(values.count), depth: Number(values.depth), size, step: Number(values.step ?? size), write: values.write,
});
process.stdout.write(`Run completed in ${seconds.toFixed(3)} seconds.\n`);
await backend.close();
await graph.close();

interface Job {
  readonly count: number;
  readonly depth: number;
  readonly size: number;
  readonly step: number;
  readonly write: boolean;
}

/** Keeps `depth` requests under way until `count` are done; gives the seconds that took. */
function bench(device: Backend, { count, depth, size, step, write }: Job): Promise<number> {
  const end = device.size - size;
  const buffers = Array.from({ length: depth }, () => graph.pool.take(size));
  let offset = 0;
  let started = 0;
  let running = 0;
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      if (started >= count && running === 0) resolve((performance.now() - begin) / 1000);
    };
    // One lane a buffer. A request that is done at once is followed by the next without a promise, but only so many
    // times: the event loop gets its turn as it would in a server.
    const lane = (buffer: Uint8Array): void => {
      for (let inline = 0; started < count; inline++) {
        if (inline === 64) {
          setImmediate(lane, buffer);
          return;
        }
        const at = offset;
        offset += step;
        if (offset > end) offset -= end;
        offset -= offset % 512;
        started++;
        const done = write ? device.write(at, buffer, 0, size, 0) : device.read(at, buffer, 0, size);
        if (done !== undefined) {
          running++;
          done.then(() => { running--; lane(buffer); }, reject);
          return;
        }
      }
      finish();
    };
    for (const buffer of buffers) lane(buffer);
  });
}
