import { describe, expect, it } from 'vitest';
import { commandNames, eventNames, introspection, validateType, type SchemaInfo } from '../src/index.js';
import { expand } from './expand.js';

const all = introspection();
const byName = new Map(all.map((info) => [info.name, info]));

describe('the description of the schema', () => {
  it('is itself of the schema, and has each name once', () => {
    for (const info of all) expect(validateType('SchemaInfo', info)).toEqual(info);
    expect(byName.size).toBe(all.length);
  });

  it('lists the commands and the events', () => {
    const names = (kind: string) => all.filter((info) => info['meta-type'] === kind).map((info) => info.name);
    expect(names('command')).toEqual(commandNames());
    expect(names('event')).toEqual(eventNames());
    expect(names('builtin').sort()).toEqual(['any', 'bool', 'int', 'null', 'str']);
  });

  it('masks the names of types and refers to nothing that is not there', () => {
    const refs = JSON.stringify(all).matchAll(/"(?:type|arg-type|ret-type|element-type)":"([^"]*)"/g);
    for (const [, ref] of refs) expect(byName.has(ref), ref).toBe(true);
    const types = all.filter((info) => ['object', 'enum', 'alternate'].includes(info['meta-type']));
    for (const { name } of types) expect(name).toMatch(/^\d+$/);
    const arrays = all.filter((info) => info['meta-type'] === 'array');
    for (const info of arrays) expect(info.name).toBe(`[${(info as SchemaInfo & { 'element-type': string })['element-type']}]`);
  });

  it('shows optional members, tags with their variants, alternates', () => {
    expect(expand(all, 'block_resize')).toMatchObject({
      'arg-type': {
        members: [
          { name: 'device', default: null, type: 'str' },
          { name: 'node-name', default: null, type: 'str' },
          { name: 'size', type: 'int' },
        ],
      },
      'ret-type': { 'meta-type': 'object', members: [] },
    });
    const start = expand(all, 'nbd-server-start') as { 'arg-type': { members: { type: object }[] } };
    expect(start['arg-type'].members[0].type).toMatchObject({
      tag: 'type',
      members: [{ name: 'type', type: { values: ['inet', 'unix', 'fd'] } }],
      variants: [{ case: 'inet', type: { members: [{ name: 'data', type: { 'meta-type': 'object' } }] } }, { case: 'unix' }, { case: 'fd' }],
    });
    const alternates = all.filter((info) => info['meta-type'] === 'alternate');
    expect(alternates.length).toBe(4);
  });

  it('can be narrowed to what a server has', () => {
    const some = introspection({ commands: ['quit', 'query-version', 'no-such'], events: [] });
    expect(some.filter((info) => info['meta-type'] === 'command').map((info) => info.name)).toEqual(['query-version', 'quit']);
    expect(some).toHaveLength(7);
  });
});
