// The rule blk/no-await-completion: what the data plane returns is not awaited as it is inside a loop.
//
// A `void | Promise<void>` that is awaited unseen costs a turn of the microtask queue even when the work is done already;
// in a loop over requests that is most of the time spent. The rule goes by type, not by name: it speaks up when the awaited
// expression is a union of nothing (void, undefined) with a promise. After `if (p)` the type is the promise alone, and the
// rule is silent.
import ts from 'typescript';

const loops = new Set(['ForStatement', 'ForOfStatement', 'ForInStatement', 'WhileStatement', 'DoWhileStatement']);
const functions = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** @type {import('eslint').Rule.RuleModule} */
export const noAwaitCompletion = {
  meta: {
    type: 'problem',
    docs: { description: 'In loops, look at a completion before awaiting it' },
    messages: {
      look: 'This may be done already, and awaiting it costs a turn of the loop each time: `const p = …; if (p) await p;`',
    },
    schema: [],
  },
  create(context) {
    const { program, esTreeNodeToTSNodeMap } = context.sourceCode.parserServices;
    if (!program) throw new Error('blk/no-await-completion needs type information');
    const checker = program.getTypeChecker();
    return {
      AwaitExpression(node) {
        if (!isInLoop(node)) return;
        const type = checker.getTypeAtLocation(esTreeNodeToTSNodeMap.get(node.argument));
        if (isCompletion(type, checker)) context.report({ node, messageId: 'look' });
      },
    };
  },
};

/** Whether a loop of the same function runs this node once a turn. */
function isInLoop(node) {
  for (let child = node, parent = node.parent; parent !== null && !functions.has(parent.type); child = parent, parent = parent.parent) {
    if (!loops.has(parent.type)) continue;
    // These parts run once.
    if (child === parent.init || child === parent.right || child === parent.left) continue;
    return true;
  }
  return false;
}

function isCompletion(type, checker) {
  if (!type.isUnion()) return false;
  const nothing = type.types.filter((member) => (member.flags & (ts.TypeFlags.Void | ts.TypeFlags.Undefined)) !== 0);
  const rest = type.types.filter((member) => !nothing.includes(member));
  return nothing.length > 0 && rest.length > 0 && rest.every((member) => checker.getPropertyOfType(member, 'then') !== undefined);
}
