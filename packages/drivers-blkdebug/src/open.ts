/** Opening a disk behind blkdebug: rules from the options and from a file, limits, and the disk itself. */
import { errnoOf, systemError, type OpenContext } from '@blk/core-graph';
import { readText } from '#read-text';
import { parseConfig } from './config.js';
import type { BlkdebugOptions } from './driver.js';
import { limitsOf } from './limits.js';
import { BlkdebugNode } from './node.js';
import { Points } from './points.js';
import { RuleBook } from './rule-book.js';
import { parseRule, parseRules, type Rule } from './rules.js';

export async function openBlkdebug(options: BlkdebugOptions, context: OpenContext, print: (line: string) => void): Promise<BlkdebugNode> {
  const { config } = options;
  const rules = [
    ...(config === undefined ? [] : await rulesOf(config)),
    ...parseRules('inject-error', options['inject-error']),
    ...parseRules('set-state', options['set-state']),
  ];
  const image = await context.child('image', options.image, 'filtered');
  const limits = limitsOf(options, image.node.limits);
  const align = options.align ?? 0;
  return new BlkdebugNode({
    image,
    limits,
    least: { zeroes: Math.max(align, options['opt-write-zero'] ?? 0), discard: Math.max(align, options['opt-discard'] ?? 0) },
    book: new RuleBook(rules),
    points: new Points(print),
    filename: nameOf(options, image.node.filename),
  });
}

async function rulesOf(config: string): Promise<Rule[]> {
  const text = await readText(config).catch((error: unknown) => {
    throw systemError(errnoOf(error) === 'EISDIR' ? 'Cannot read config file' : 'Could not read blkdebug config file', error, { driver: 'blkdebug', filename: config });
  });
  return parseConfig(text).map(({ kind, values }) => parseRule(kind, values, (name) => `Invalid parameter '${name}'`));
}

/** The name that says it all, where there are no options besides. */
function nameOf(options: BlkdebugOptions, below: string): string | undefined {
  const others = Object.keys(options).some((name) => name !== 'config' && name !== 'image');
  return others || below.startsWith('json:') ? undefined : `blkdebug:${options.config ?? ''}:${below}`;
}
