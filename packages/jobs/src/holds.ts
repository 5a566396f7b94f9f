/** What one job holds of the graph: edges, nodes that are kept from others, edges that must stay where they are, and a filter that shows the job. */
import {
  BlockError, changeAccess, Edge, insertFilter, messageOf, Permission, reaches, removeFilter, type Access, type BlockGraph, type BlockNode, type EdgeParent,
} from '@blk/core-graph';
import type { JobFilter } from './body.js';

export class Holds {
  readonly edges = new Set<Edge>();
  readonly blocked = new Set<BlockNode>();
  readonly #frozen = new Set<Edge>();
  #filter: BlockNode | undefined;
  readonly #replaced = new Set<BlockNode>();

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

  /** All users of the node but the job and `target`, with what stands below it, use a filter from then on, until `release`. */
  async putFilter(node: BlockNode, { name, driver, target }: JobFilter): Promise<void> {
    const stays = ({ parent }: Edge): boolean =>
      parent === this.parent || (parent.node !== undefined && target !== undefined && reaches(target, parent.node));
    await this.graph.drained([node], async () => {
      const filter = await insertFilter(this.graph, node, { name, driver, stays }).catch((error: unknown) => { throw refusal(driver, error); });
      this.hold(filter, 'main node', { permissions: 0, shared: Permission.All });
      this.blocked.add(filter);
      this.#filter = filter;
    });
  }

  freeze(edge: Edge): void {
    if (edge.frozen) {
      throw new BlockError('busy', `Cannot freeze '${edge.name}' link to '${edge.node.name}'`, { node: edge.node.name });
    }
    edge.frozen = true;
    this.#frozen.add(edge);
  }

  /** The content of `node` is elsewhere by now. It may be replaced since it does not work any more: what fails when it closes is only warned of. */
  replaced(node: BlockNode): void {
    this.#replaced.add(node);
  }

  /**
   * Gives everything up, but still keeps others away. Nodes without users close; what fails there is thrown after all else was given
   * up.
   */
  async release(): Promise<void> {
    await this.#takeFilter();
    for (const edge of this.#frozen) edge.frozen = false;
    this.#frozen.clear();
    const nodes = [...this.edges].map((edge) => edge.node);
    for (const edge of this.edges) edge.node.parents.delete(edge);
    this.edges.clear();
    changeAccess((transaction) => {
      for (const node of new Set(nodes)) transaction.refresh(node);
    });
    const failed: unknown[] = [];
    for (const node of new Set(nodes)) {
      try {
        await this.graph.collect(node);
      } catch (error) {
        if (this.#replaced.has(node)) this.graph.host.warn(`Closing '${node.name}', which was replaced: ${messageOf(error)}`);
        else failed.push(error);
      }
    }
    if (failed.length > 0) throw failed[0];
  }

  /** Its users go on with what is below it: the node that it was put over, or the one that has taken that one's place. */
  async #takeFilter(): Promise<void> {
    const filter = this.#filter;
    this.#filter = undefined;
    if (filter === undefined) return;
    try {
      await this.graph.drained([filter, ...[...filter.children.values()].map(({ node }) => node)], () => {
        removeFilter(filter, ({ parent }) => parent === this.parent);
      });
    } catch (error) {
      // It changes nothing, and closes with its last user.
      this.graph.host.warn(`Node '${filter.name}' stays: ${messageOf(error)}`);
    }
  }

  /** Lets others in again: when the nodes are as they were found. */
  unblock(): void {
    this.blocked.clear();
  }
}

/** In the reference's words: those of its filters that anybody may open say more. */
function refusal(driver: JobFilter['driver'], error: unknown): unknown {
  if (!(error instanceof BlockError) || driver === 'mirror_top' || driver === 'commit_top') return error;
  return new BlockError(error.kind, `Could not create node: ${error.message}`, error.context, error);
}
