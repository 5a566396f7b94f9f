/** `--object throttle-group` of a command line: limits that `driver=throttle` names. */
import { BlockError, messageOf, type BlockGraph } from '@blk/core-graph';

type Limits = Parameters<BlockGraph['throttling']['make']>[1];

/** A group to be made: its name and its limits. */
export type ThrottleGroupOption = readonly [name: string, limits: Limits];

export const NO_IDENTIFIER = "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.";

/** Whether a text can be the id of an object. */
export function isIdentifier(id: string): boolean {
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(id);
}

/** The group that the text describes. Throws a `BlockError` in the words of the reference tools. */
export async function readThrottleGroup(text: string): Promise<ThrottleGroupOption> {
  const { parseOptions } = await import('@blk/qapi-types');
  try {
    const options = parseOptions('ObjectOptions', text, 'qom-type');
    if (options['qom-type'] !== 'throttle-group') throw new RangeError(`Object '${options.id}' is not a throttle group`);
    if (!isIdentifier(options.id)) throw new RangeError(NO_IDENTIFIER);
    const { limitsOfProperties } = await import('@blk/qmp-server');
    return [options.id, limitsOfProperties(options)];
  } catch (error) {
    throw new BlockError('invalid-argument', messageOf(error), {}, error);
  }
}

/** Makes them. Throws where limits do not go together. */
export function makeThrottleGroups(graph: BlockGraph, groups: readonly ThrottleGroupOption[]): void {
  for (const [name, limits] of groups) {
    try {
      graph.throttling.make(name, limits);
    } catch (error) {
      throw new BlockError('invalid-argument', messageOf(error), {}, error);
    }
  }
}
