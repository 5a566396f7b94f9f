/** Chains of real images with a random content, an array of bytes that says what the guest has to see, and a guest that goes on writing. */
import type { Backend} from '@blk/core-graph';
import { type BlockNode } from '@blk/core-graph';
import { expectSameBytes } from '@blk/driver-conformance';
import { prng, type Prng, type TempDir } from '@blk/oracle';
import { below } from '../src/index.js';
import { turns, type Rig } from './support.js';

export const KiB = 1024;
export const MiB = 1024 * KiB;

export interface Chain {
  readonly rig: Rig;
  readonly device: Backend;
  /** Images by their place, 0 the lowest. */
  readonly names: readonly string[];
  readonly files: readonly string[];
  /** What the guest sees. */
  readonly model: Uint8Array;
  readonly random: Prng;
  /** The image with this place in the chain as it was made. */
  image(index: number): BlockNode;
  /** Compares all that the guest sees. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Makes a chain of qcow2 images, one for each size, the lowest first; `options` are those of their creation. */
export async function makeChain(rig: Rig, dir: TempDir, sizes: readonly number[], seed: number, options: Record<string, unknown> = {}): Promise<Chain> {
  const random = prng(seed);
  const { graph } = rig;
  const files = sizes.map((_, index) => dir.file(`c${index}.qcow2`));
  let model = new Uint8Array(0);
  for (const [index, size] of sizes.entries()) {
    const backing = index === 0 ? {} : { backing_file: files[index - 1], backing_fmt: 'qcow2' };
    await graph.create(files[index], { format: 'qcow2', size, options: { ...options, ...backing } });
    const device = await graph.openBackend(files[index], { format: 'qcow2', writable: true });
    const next = new Uint8Array(size);
    next.set(model.subarray(0, size));
    model = next;
    for (let write = 0; write < 8; write++) await change(device, model, random);
    await device.close();
  }
  const device = await graph.openBackend(files[files.length - 1], { format: 'qcow2', name: 'drive0', writable: true });
  const images: BlockNode[] = [];
  for (let image: BlockNode | undefined = device.root; image !== undefined; image = below(image)) images.unshift(image);
  return {
    rig,
    device,
    names: images.map(({ name }) => name),
    files,
    model,
    random,
    image: (index) => images[index],
    async check() {
      const bytes = new Uint8Array(device.size);
      await device.read(0, bytes, 0, bytes.length);
      expectSameBytes(bytes, model, 'the disk');
    },
    async close() {
      await rig.jobs.close();
      await device.close();
      await graph.close();
    },
  };
}

/** One random change of the disk, also of the model. */
export async function change(device: Backend, model: Uint8Array, random: Prng): Promise<void> {
  const length = Math.min(random.pick([512, 4 * KiB, 64 * KiB, 300 * KiB, 777]), model.length);
  const offset = Math.min(random.below(model.length), model.length - length);
  if (random.below(4) === 0) {
    model.fill(0, offset, offset + length);
    await device.writeZeroes(offset, length);
  } else {
    const bytes = random.bytes(length);
    model.set(bytes, offset);
    await device.write(offset, bytes, 0, length);
  }
}

/** A guest that writes and reads until `stop` says so; every read is compared. */
export async function guest(chain: Chain, stop: () => boolean, lanes = 2): Promise<number> {
  let requests = 0;
  // Each lane has a part of the disk of its own: two requests to one place at once have no defined outcome.
  const part = Math.floor(chain.model.length / lanes / 4096) * 4096;
  const lane = async (index: number): Promise<void> => {
    const random = prng(chain.random.next());
    const from = index * part;
    while (!stop()) {
      const length = Math.min(random.pick([512, 4 * KiB, 70 * KiB]), part);
      const offset = from + Math.min(random.below(part), part - length);
      if (random.below(3) === 0) {
        const bytes = new Uint8Array(length);
        await chain.device.read(offset, bytes, 0, length);
        expectSameBytes(bytes, chain.model.subarray(offset, offset + length), `read at ${offset}`);
      } else if (random.below(5) === 0) {
        chain.model.fill(0, offset, offset + length);
        await chain.device.writeZeroes(offset, length);
      } else {
        const bytes = random.bytes(length);
        await chain.device.write(offset, bytes, 0, length);
        chain.model.set(bytes, offset);
      }
      requests++;
      await turns(1);
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
  return requests;
}

/** What a graph holds, for tests that nothing is left behind. */
export function inventory({ graph }: Rig): Record<string, unknown> {
  return Object.fromEntries(
    [...graph.nodes].map((node) => [
      node.name,
      {
        parents: [...node.parents].map((edge) => `${edge.parent.description} ${edge.name} ${edge.access.permissions}/${edge.access.shared} ${edge.frozen} ${edge.lenient}`),
        readOnly: node.readOnly,
        listeners: node.beforeWrite.size + node.bitmaps.size + node.requests.inFlight,
      },
    ]),
  );
}
