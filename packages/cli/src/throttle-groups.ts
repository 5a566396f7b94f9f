/** `--object throttle-group` of a command line: limits that `driver=throttle` names. */
import { BlockError, messageOf, type BlockGraph } from '@blk/core-graph';

type Limits = Parameters<BlockGraph['throttling']['make']>[1];

/** A group to be made: its name and its limits. */
export type ThrottleGroupOption = readonly [name: string, limits: Limits];

const NO_IDENTIFIER = "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.";

/** The groups among the objects that the texts describe. Throws a `BlockError` in the words of the reference tools. */
export async function readThrottleGroups(texts: readonly string[]): Promise<readonly ThrottleGroupOption[]> {
  const groups: ThrottleGroupOption[] = [];
  for (const text of texts.filter((object) => object.includes('throttle-group'))) {
    // Most command lines have none.
    const { parseOptions } = await import('@blk/qapi-types');
    try {
      const options = parseOptions('ObjectOptions', text, 'qom-type');
      if (options['qom-type'] !== 'throttle-group') continue;
      if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(options.id)) throw new RangeError(NO_IDENTIFIER);
      const { limitsOfProperties } = await import('@blk/qmp-server');
      groups.push([options.id, limitsOfProperties(options)]);
    } catch (error) {
      throw new BlockError('invalid-argument', messageOf(error), {}, error);
    }
  }
  return groups;
}

/** Makes them. Throws where a name comes twice, or limits do not go together. */
export function makeThrottleGroups(graph: BlockGraph, groups: readonly ThrottleGroupOption[]): void {
  for (const [name, limits] of groups) {
    if (graph.throttling.get(name) !== undefined) {
      throw new BlockError('invalid-argument', `attempt to add duplicate property '${name}' to object (type 'container')`);
    }
    try {
      graph.throttling.make(name, limits);
    } catch (error) {
      throw new BlockError('invalid-argument', messageOf(error), {}, error);
    }
  }
}
