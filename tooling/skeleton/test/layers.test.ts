import { describe, expect, it } from 'vitest';
import { covers, layers, mayUse, rowOf, tools } from '../layers.mjs';
import { files, manifest } from '../template.mjs';
import { members, nodeOnlyFiles } from '../workspace.mjs';

describe('the table of layers', () => {
  it('has every arrow point to a row above', () => {
    layers.forEach((row, i) => {
      const above = layers.slice(0, i).map(({ name }) => name);
      for (const name of row.imports) expect(above, `${row.name} names ${name}`).toContain(name);
    });
  });
  it('has a row for every member of the repository', () => {
    for (const { name } of [...members('packages'), ...members('tooling')]) expect(rowOf(name), name).toBeDefined();
    expect(rowOf('drivers-later')?.name).toBe('drivers-*');
    expect(rowOf('later')).toBeUndefined();
  });
  it('lets arrows point down only', () => {
    expect(mayUse('drivers-qcow2', 'core-graph', 'runtime')).toBe(true);
    expect(mayUse('core-graph', 'drivers-qcow2', 'dev')).toBe(false);
    expect(mayUse('drivers-qcow2', 'drivers-file', 'dev')).toBe(false);
    expect(mayUse('nbd', 'image', 'dev')).toBe(false);
    expect(mayUse('image', 'drivers-qcow2', 'runtime')).toBe(false);
    expect(mayUse('image', 'drivers-qcow2', 'dev')).toBe(true);
    expect(mayUse('cli', 'drivers-later', 'runtime')).toBe(true);
  });
  it('keeps tools out of what is published, and what stands on everything out of everything', () => {
    expect(mayUse('nbd', 'oracle', 'runtime')).toBe(false);
    expect(mayUse('nbd', 'oracle', 'dev')).toBe(true);
    expect(mayUse('core-graph', 'driver-conformance', 'dev')).toBe(false);
    expect(mayUse('drivers-raw', 'driver-conformance', 'dev')).toBe(true);
    for (const { name } of tools) expect(mayUse(name, 'bench', 'dev')).toBe(name === 'bench');
  });
  it('means drivers by drivers-*, and not their list', () => {
    expect(covers(['drivers-*'], 'drivers-qed')).toBe(true);
    expect(covers(['drivers-*'], 'drivers-all')).toBe(false);
  });
});

describe('what only Node loads', () => {
  it('is found in the imports map', () => {
    const imports = { '#a': { '@blk/source': { node: './src/a-node.ts', default: './src/a.ts' }, node: './dist/a-node.js', default: './dist/a.js' } };
    expect(nodeOnlyFiles({ imports })).toEqual(['src/a-node.ts']);
    expect(nodeOnlyFiles({})).toEqual([]);
  });
});

describe('the template', () => {
  it('makes a manifest and its words from one name and one sentence', () => {
    const made = files({ name: 'drivers-x', sentence: 'A driver.', dependencies: ['core-graph'], license: 'MIT' });
    expect(JSON.parse(made['package.json'])).toEqual(manifest({ name: 'drivers-x', sentence: 'A driver.', dependencies: ['core-graph'] }));
    expect(made['README.md'].startsWith('# @blk/drivers-x\n\nA driver.\n')).toBe(true);
  });
});
