/** The schema files against the contract's expressions, and the generated code against the schema files. */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { generate, parseSchemaText, type QapiValue } from '@blk/qapi-gen';
import { describe, expect, it } from 'vitest';

const at = (path: string): URL => new URL(`../${path}`, import.meta.url);
const read = (path: string): string => readFileSync(at(path), 'utf8');

function plain(value: QapiValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

// Text keeps the order of members, which deep equality would not see.
const expressions = parseSchemaText(read('schema/block-core.json'), 'block-core.json');
const ours = expressions.map(({ value }) => JSON.stringify(plain(value)));
const contract = (JSON.parse(read('test/fixtures/contract-2.4.0.json')) as unknown[]).map((value) => JSON.stringify(value));

describe('block-core.json', () => {
  it('has as many expressions as the contract', () => {
    expect(ours).toHaveLength(contract.length);
    expect(contract).toHaveLength(84);
  });

  it.each(contract.map((text, index) => [text.slice(0, 60), index] as const))('%s', (_, index) => {
    expect(ours[index]).toBe(contract[index]);
  });

  it('documents every expression and every member', () => {
    const bare = expressions.flatMap(({ value, doc }) => {
      if (value.has('include')) return [];
      const name = [...value.values()][0] as string;
      const data = value.get('data');
      const members = data instanceof Map && !value.has('union') ? [...data.keys()].map((key) => key.replace('*', '')) : [];
      const missing = members.filter((member) => doc?.members.has(member) !== true);
      return doc?.symbol === name && doc.body !== '' ? missing.map((member) => `${name}.${member}`) : [name];
    });
    expect(bare).toEqual([]);
  });
});

it('src/generated is what the schema gives', () => {
  const files = generate('schema/schema.json', {
    read,
    resolve: (from, included) => posix.join(posix.dirname(from), included),
  });
  for (const [name, text] of files) expect(read(`src/generated/${name}`) === text, `${name}: run "npm run generate"`).toBe(true);
});
