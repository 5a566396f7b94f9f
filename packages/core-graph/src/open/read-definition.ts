/** What a definition says of a node, checked against the tables of its driver. */
import { BlockError } from '../errors.js';
import type { BlockDriver } from '../driver.js';
import type { CacheMode } from '../driver-context.js';
import type { BlockGraph } from '../graph.js';
import { BlockNode } from '../node.js';
import type { NodeSettings } from '../node-settings.js';
import { checkOptions, type OptionTable } from '../options/spec.js';
import { splitCommon, type Definition } from './definition.js';
import type { OpenState } from './open-state.js';

/** What a parent refers to: a definition, an existing node (by name or itself), or nothing (`''`, `null`). */
export type Reference = Definition | string | BlockNode | null | undefined;

/** What a definition says, checked: everything that the node is made with, and what is said of its backing file. */
export interface ReadDefinition {
  /** `anonymous`: the name is still to be made up. */
  readonly settings: NodeSettings;
  readonly backing: Reference;
  readonly copyOnRead: boolean;
}

/** Checks a definition (nested, with a driver) against the tables of its driver. Throws before anything is opened. */
export function readDefinition(graph: BlockGraph, definition: Definition, state: OpenState): ReadDefinition {
  const { common, own } = splitCommon(definition);
  const driver = graph.driver(String(common.driver));
  const cache: CacheMode = {
    writeback: common.cache?.writeback ?? state.cache.writeback,
    direct: common.cache?.direct ?? state.cache.direct,
    noFlush: common.cache?.['no-flush'] ?? state.cache.noFlush,
  };
  const here: OpenState = {
    ...state,
    readOnly: common['read-only'] ?? state.readOnly,
    autoReadOnly: common['auto-read-only'] ?? state.autoReadOnly,
    cache,
    discard: common.discard === undefined ? state.discard : common.discard === 'unmap' || common.discard === 'on',
    forceShare: common['force-share'] ?? state.forceShare,
    aio: common.aio ?? state.aio,
  };
  if (here.forceShare && !here.readOnly) {
    throw new BlockError('invalid-argument', 'force-share=on can only be used with read-only images');
  }
  const detectZeroes = common['detect-zeroes'] ?? 'off';
  if (detectZeroes === 'unmap' && !here.discard) {
    throw new BlockError('invalid-argument', 'setting detect-zeroes to unmap is not allowed without setting discard operation to unmap');
  }
  const { backing, ...ownOptions } = own;
  if (backing !== undefined && driver.backing !== true) throw new BlockError('invalid-argument', unknownOption(driver, 'backing'));
  const table = driver.options.aio === undefined || here.aio === undefined ? ownOptions : { aio: here.aio, ...ownOptions };
  const options = checkOptions(table, withChildren(driver), (option) => unknownOption(driver, option));
  const name = common['node-name'] ?? state.nodeName;
  return {
    settings: {
      name: name ?? '',
      driver,
      filename: describeFile(ownOptions),
      readOnly: here.readOnly,
      cache,
      discard: here.discard,
      detectZeroes,
      forceShare: here.forceShare,
      options: definition,
      anonymous: name === undefined,
      opened: { options, state: here },
    },
    backing: backing as Reference,
    copyOnRead: common['copy-on-read'] === true,
  };
}

function withChildren(driver: BlockDriver): OptionTable {
  const table: Record<string, OptionTable[string]> = { ...driver.options };
  // One that is required and not there is named by `openChild`.
  for (const name of Object.keys(driver.children ?? {})) table[name] = { type: 'child' };
  return table;
}

function unknownOption(driver: BlockDriver, option: string): string {
  return driver.role === 'protocol'
    ? `Block protocol '${driver.name}' doesn't support the option '${option}'`
    : `Block format '${driver.name}' does not support the option '${option}'`;
}

/** The name under which a definition is spoken of: its own file name, or that of its `file`. */
function describeFile(options: Definition): string {
  if (typeof options.filename === 'string') return options.filename;
  const { file } = options;
  if (file instanceof BlockNode) return file.filename;
  return typeof file === 'object' && file !== null ? describeFile(file as Definition) : '';
}
