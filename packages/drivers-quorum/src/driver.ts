/** The driver value `quorum`: its options. The rest is loaded when a disk is opened. */
import { defineDriver, type Edge } from '@blk/core-graph';
import { quorumError } from './errors.js';
import { parseChildren, parseRules, type QuorumOptions } from './options.js';

/** A disk that is kept several times. */
export const quorum = defineDriver<QuorumOptions>({
  name: 'quorum',
  role: 'filter',
  options: {
    children: { type: 'any' },
    'vote-threshold': { type: 'any' },
    blkverify: { type: 'bool' },
    'rewrite-corrupted': { type: 'bool' },
    'read-pattern': { type: 'any' },
  },

  async open(options, context) {
    const references = parseChildren(options.children);
    const rules = parseRules(options, references.size);
    const children: Edge[] = [];
    for (const [name, reference] of references) {
      children.push(await context.child(name, reference, 'data'));
      // Losers are to be put right: nobody should take that for granted where it can't be.
      if (rules.rewrite && context.readOnly) throw quorumError({ what: 'read-only' });
    }
    // Copies of different sizes can't be copies.
    if (children.some(({ size }) => size !== children[0].size)) throw quorumError({ what: 'sizes' });
    const { QuorumNode } = await import('./node.js');
    return new QuorumNode(children, rules, context);
  },
});
