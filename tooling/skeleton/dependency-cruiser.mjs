// The import side of the layer check: rules for dependency-cruiser, made from the table in layers.mjs.
import { layers, mayUse, rowOf, tools } from './layers.mjs';
import { members, nodeOnlyFiles } from './workspace.mjs';

const all = [...members('packages'), ...members('tooling')];
const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const place = ({ group, name }) => `^${group}/${escape(name)}/`;
const noPlace = '^$';
const oneOf = (members) => (members.length === 0 ? noPlace : `^(${members.map((m) => `${m.group}/${escape(m.name)}`).join('|')})/`);

/** One rule for a package's sources, one for the rest of it. */
const layerRules = all.flatMap((from) => {
  const allowed = (kind) => oneOf(all.filter((to) => mayUse(from.name, to.name, kind) || from.name === to.name));
  const sources = `${place(from)}src/`;
  const comment = `The table in tooling/skeleton/layers.mjs says what ${from.name} may know; it is ${rowOf(from.name) === undefined ? 'not in it' : 'not this'}.`;
  return [
    { name: `layers: ${from.name}`, severity: 'error', comment, from: { path: sources }, to: { path: '^(packages|tooling)/', pathNot: allowed(from.group === 'tooling' ? 'dev' : 'runtime') } },
    { name: `layers: ${from.name}, tests and build`, severity: 'error', comment, from: { path: place(from), pathNot: `${sources}|/dist/` }, to: { path: '^(packages|tooling)/', pathNot: allowed('dev') } },
  ];
});

const anywhereRules = members('packages').filter(({ name }) => rowOf(name)?.anywhere).map((from) => ({
  name: `runs anywhere: ${from.name}`,
  severity: 'error',
  comment: 'Its sources run in a browser too. What differs goes behind one module that the imports map of its manifest chooses by condition.',
  from: {
    path: `${place(from)}src/`,
    pathNot: nodeOnlyFiles(from.manifest).map((file) => `${place(from)}${escape(file)}$`).join('|') || noPlace,
  },
  to: { dependencyTypes: ['core'] },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...layerRules,
    ...anywhereRules,
    {
      name: 'circle',
      severity: 'warn',
      comment: 'Two files that call each other: fine for true mutual recursion, else a third file is missing. Circles of types alone are not counted.',
      from: { path: '^packages/[^/]+/src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'found',
      severity: 'error',
      comment: 'An import that leads nowhere.',
      from: { path: '^(packages|tooling)/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'declared',
      severity: 'error',
      comment: 'A published source imports only what its own manifest names, and nothing that is there for development only.',
      from: { path: '^packages/[^/]+/src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'public names only',
      severity: 'error',
      comment: "A sibling is imported by its name, through its export map, never by a path into it.",
      from: { path: '^(packages|tooling)/([^/]+)/' },
      to: { path: '^(packages|tooling)/[^/]+/', pathNot: '^$1/$2/', dependencyTypes: ['local'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: '/dist/|/\\.turbo/|/coverage/' },
    combinedDependencies: false,
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@blk/source', 'import', 'node', 'types', 'default'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};

// A row that names nothing is a row that checks nothing.
const known = new Set([...layers, ...tools].map((row) => row.name));
for (const row of [...layers, ...tools]) {
  for (const name of [...row.imports, ...Object.keys(row.tests ?? {})]) {
    if (!known.has(name)) throw new Error(`layers.mjs: the row of ${row.name} names ${name}, which has no row`);
  }
}
