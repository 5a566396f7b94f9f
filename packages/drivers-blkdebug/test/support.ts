/** Images in memory with blkdebug between the format and its disk. */
import { BlockGraph, type BlockDriver, type BlockNode, type Breakpoints, type DebugEvent, type Definition } from '@blk/core-graph';
import { MemoryDisks, type DiskOperation, type MemoryDisk } from '@blk/driver-conformance';
import { blkdebug } from '../src/index.js';
import { FORMATS } from './formats.js';

/** The driver, which notes down what it is told. */
function noting(raised: Set<DebugEvent>): BlockDriver {
  return {
    ...blkdebug,
    open: async (options, context) => {
      const node = await blkdebug.open(options, context);
      const event = node.event?.bind(node);
      node.event = (name) => {
        raised.add(name);
        return event?.(name);
      };
      return node;
    },
  };
}

export class Bench {
  /** Events that came since this was emptied. */
  readonly raised = new Set<DebugEvent>();
  readonly disks = new MemoryDisks();
  readonly graph = new BlockGraph({ drivers: [this.disks.driver, noting(this.raised), ...FORMATS.map(({ driver }) => driver)], host: { warn: () => undefined } });

  async create(size: number, options: Record<string, unknown> = {}, format = 'qcow2'): Promise<MemoryDisk> {
    await this.graph.create('memory:image', { format, size, options, unsafe: true });
    return this.disks.get('image');
  }

  /** The image with rules; its cache of tables is small, so that tables are read. */
  open(disk: MemoryDisk, rules: Definition = {}, options: Definition = {}): Promise<BlockNode> {
    return this.graph.open({
      driver: 'qcow2',
      file: { driver: 'blkdebug', image: { ...disk.definition, discard: 'unmap' }, ...rules },
      discard: 'unmap',
      ...options,
    });
  }
}

export async function write(node: BlockNode, offset: number, length: number, value = 1): Promise<void> {
  await node.write(offset, new Uint8Array(length).fill(value), 0, length);
}

/** Where requests of the image can be stopped: in the first node from the top that does. */
export function pointsOf(node: BlockNode): Breakpoints {
  for (let at: BlockNode | undefined = node; at !== undefined; at = at.storage?.node) if (at.driver.breakpoints) return at.driver.breakpoints;
  throw new Error('nothing here stops requests');
}

/** The requests that reach a disk from now on. */
export function watch(disk: MemoryDisk): DiskOperation[] {
  const seen: DiskOperation[] = [];
  disk.use({ before: (operation) => void seen.push(operation) });
  return seen;
}
