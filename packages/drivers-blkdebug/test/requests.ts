/** Requests, as commands of qemu-io and as verbs of a node. */
import { WriteFlag, type BlockNode, type Completion } from '@blk/core-graph';

/** `pack`: a compressed write. A new size stands where offsets are. */
export type Request = readonly [verb: 'read' | 'write' | 'zero' | 'discard' | 'pack' | 'truncate' | 'flush', offset: number, length: number];

/** What qemu-io writes unless told otherwise. */
const PATTERN = 205;

export function commandOf([verb, offset, length]: Request): string {
  switch (verb) {
    case 'zero': return `write -z ${offset} ${length}`;
    case 'pack': return `write -c ${offset} ${length}`;
    case 'truncate': return `truncate ${offset}`;
    case 'flush': return 'flush';
    default: return `${verb} ${offset} ${length}`;
  }
}

/** What the request failed with; undefined where it was done. */
export async function perform(node: BlockNode, request: Request): Promise<Error | undefined> {
  try {
    await start(node, request);
  } catch (error) {
    return error as Error;
  }
}

function start(node: BlockNode, [verb, offset, length]: Request): Completion {
  const bytes = (): Uint8Array => new Uint8Array(length).fill(PATTERN);
  switch (verb) {
    case 'read': return node.read(offset, bytes(), 0, length);
    case 'write': return node.write(offset, bytes(), 0, length);
    case 'pack': return node.write(offset, bytes(), 0, length, WriteFlag.Compressed);
    case 'zero': return node.writeZeroes(offset, length);
    case 'discard': return node.discard(offset, length);
    case 'truncate': return node.truncate(offset);
    case 'flush': return node.flush();
  }
}
