/** Which copies may join a quorum while it is open, which may leave it, and what they are called. */
import type { BlockNode, ChangeableChildren, Edge } from '@blk/core-graph';
import { quorumError } from './errors.js';
import { nameOf, numberOf, type Rules } from './options.js';

/** The disk whose copies they are. */
interface Quorum {
  readonly size: number;
  readonly children: readonly Edge[];
  use(children: readonly Edge[]): void;
}

export class Members implements ChangeableChildren {
  /** `next`: the number of the next copy. */
  constructor(
    private readonly quorum: Quorum,
    private readonly rules: Rules,
    private next: number,
  ) {}

  /** A copy of another size can't be one; whether it has the same content is seen by the votes. */
  nameFor(node: BlockNode): string {
    if (this.rules.blkverify) throw quorumError({ what: 'add-blkverify' });
    const { size } = this.quorum;
    if (node.size !== size) throw quorumError({ what: 'add-size', node: node.name, size: node.size, wanted: size });
    return nameOf(this.next);
  }

  checkRemovable(): void {
    const { threshold } = this.rules;
    if (this.quorum.children.length <= threshold) throw quorumError({ what: 'too-few', threshold });
  }

  /** A number that was used is not used again, but for that of the last one, if it is the one that leaves: as in QEMU. */
  use(children: readonly Edge[]): { readonly children: ReadonlyMap<string, string> } {
    const { children: before } = this.quorum;
    if (children.length > before.length) this.next++;
    else if (before.some((edge) => numberOf(edge.name) === this.next - 1 && !children.includes(edge))) this.next--;
    this.quorum.use(children);
    return { children: new Map(children.map(({ name, node }) => [name, node.name])) };
  }
}
