/** What one job holds of the graph: edges, nodes that are kept from others, and edges that must stay where they are. */
import { BlockError, changeAccess, Edge, Permission, type Access, type BlockGraph, type BlockNode, type EdgeParent } from '@blk/core-graph';

export class Holds {
  readonly edges = new Set<Edge>();
  readonly blocked = new Set<BlockNode>();
  readonly #frozen = new Set<Edge>();

  constructor(
    private readonly graph: BlockGraph,
    private readonly parent: EdgeParent,
  ) {}

  hold(node: BlockNode, name: string, access: Access): Edge {
    const edge = new Edge(this.parent, name, 'root', node, { permissions: 0, shared: Permission.All });
    node.parents.add(edge);
    try {
      changeAccess((transaction) => {
        transaction.set(edge, access);
      });
    } catch (error) {
      node.parents.delete(edge);
      throw error;
    }
    this.edges.add(edge);
    return edge;
  }

  freeze(edge: Edge): void {
    if (edge.frozen) {
      throw new BlockError('busy', `Cannot freeze '${edge.name}' link to '${edge.node.name}'`, { node: edge.node.name });
    }
    edge.frozen = true;
    this.#frozen.add(edge);
  }

  /**
   * Gives everything up, but still keeps others away. Nodes without users close; what fails there is thrown after all else was given
   * up.
   */
  async release(): Promise<void> {
    for (const edge of this.#frozen) edge.frozen = false;
    this.#frozen.clear();
    const nodes = [...this.edges].map((edge) => edge.node);
    for (const edge of this.edges) edge.node.parents.delete(edge);
    this.edges.clear();
    changeAccess((transaction) => {
      for (const node of new Set(nodes)) transaction.refresh(node);
    });
    for (const node of new Set(nodes)) await this.graph.collect(node);
  }

  /** Lets others in again: when the nodes are as they were found. */
  unblock(): void {
    this.blocked.clear();
  }
}
