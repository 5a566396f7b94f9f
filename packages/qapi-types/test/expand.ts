/** A description of a schema without its masked names, so that two of them can be compared. */

interface Named {
  readonly name: string;
}

const references = ['type', 'arg-type', 'ret-type', 'element-type'];

/** One command, event or type with every reference replaced by what it refers to; features are left out. */
export function expand(schema: readonly Named[], name: string, open: readonly string[] = []): unknown {
  const found = schema.find((info) => info.name === name);
  if (found === undefined) throw new Error(`no ${name} in the schema`);
  if (open.includes(name)) return { loop: open.length - open.indexOf(name) };
  const inner = [...open, name];
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const members = Object.entries(value).filter(([key]) => key !== 'features');
    return Object.fromEntries(members.map(([key, item]) => [key, references.includes(key) ? reference(schema, item as string, inner) : walk(item)]));
  };
  const { name: own, ...rest } = found;
  return walk(open.length === 0 ? { name: own, ...rest } : rest);
}

function reference(schema: readonly Named[], name: string, open: readonly string[]): unknown {
  return ['str', 'int', 'bool', 'any', 'null', 'number'].includes(name) ? name : expand(schema, name, open);
}
