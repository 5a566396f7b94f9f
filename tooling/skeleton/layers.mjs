// The layers: the one table that says which package may know which. Both checks read it, of imports and of manifests.
// Names are without the @blk/ prefix; `drivers-*` stands for every driver package.

/**
 * One row a package, bottom to top.
 * - `imports`: siblings that its sources may import and its `dependencies` may name.
 * - `tests`: siblings that only its tests may use besides, each with the reason; always lower in the table or beside it, never above.
 * - `anywhere`: its sources run outside Node too, so they import nothing from `node:`, except through a module that the
 *   package's own `imports` map chooses under the condition `node`.
 */
export const layers = [
  { name: 'qapi-types', imports: [], anywhere: true },
  { name: 'throttle', imports: [], anywhere: true },
  { name: 'compression', imports: [], anywhere: true },
  { name: 'core-graph', imports: ['qapi-types', 'throttle'], anywhere: true },
  // Formats share it, and programs keep their secrets in it; it knows the graph's errors and nothing else of it.
  { name: 'crypto', imports: ['core-graph'], anywhere: true },
  // What formats with tables of clusters share: finding, placing, and the order of writing.
  { name: 'cluster-map', imports: ['core-graph'], anywhere: true },
  { name: 'drivers-blob', imports: ['core-graph', 'qapi-types'], anywhere: true },
  { name: 'drivers-null', imports: ['core-graph', 'qapi-types'], anywhere: true },
  { name: 'drivers-raw', imports: ['core-graph', 'qapi-types'], anywhere: true },
  { name: 'drivers-qcow2', imports: ['core-graph', 'qapi-types', 'compression', 'crypto'], anywhere: true },
  { name: 'drivers-qcow', imports: ['core-graph', 'qapi-types', 'compression', 'crypto', 'cluster-map'], anywhere: true },
  { name: 'drivers-luks', imports: ['core-graph', 'qapi-types', 'crypto'], anywhere: true },
  { name: 'drivers-parallels', imports: ['core-graph', 'qapi-types', 'crypto', 'cluster-map'], anywhere: true },
  // Protocols of the machine: these are what Node is for.
  { name: 'drivers-file', imports: ['core-graph', 'qapi-types'] },
  // A directory is of the machine as well.
  { name: 'drivers-vvfat', imports: ['core-graph', 'qapi-types'], tests: { 'drivers-raw': 'a part of the disk, one file, is an image by itself' } },
  { name: 'drivers-throttle', imports: ['core-graph', 'qapi-types', 'throttle'], anywhere: true },
  // Filters are tested over real formats, whose events they hear.
  { name: 'drivers-blkdebug', imports: ['core-graph'], tests: { 'drivers-*': 'every event is shown to come from where it happens' }, anywhere: true },
  { name: 'drivers-blkverify', imports: ['core-graph'], tests: { 'drivers-*': 'every writable format is tried as the image that is verified' }, anywhere: true },
  { name: 'drivers-quorum', imports: ['core-graph'], tests: { 'drivers-*': 'every writable format is tried as a copy' }, anywhere: true },
  // Any later format or filter, until it is given a row of its own.
  { name: 'drivers-*', imports: ['core-graph', 'qapi-types', 'compression', 'cluster-map'], anywhere: true },
  {
    name: 'drivers-copy-on-read',
    imports: ['core-graph', 'qapi-types'],
    tests: { 'drivers-*': 'what it copies comes from real backing files, through real filters', throttle: 'those filters have limits' },
    anywhere: true,
  },
  // What clients of other machines share: reading ahead, spooling, trying again, knowing when a server hangs.
  { name: 'remote', imports: ['core-graph'], anywhere: true },
  { name: 'drivers-http', imports: ['core-graph', 'qapi-types', 'remote'], anywhere: true },
  { name: 'drivers-ftp', imports: ['core-graph', 'qapi-types', 'remote'] },
  { name: 'drivers-tftp', imports: ['core-graph', 'qapi-types', 'remote'] },
  { name: 'nbd', imports: ['core-graph', 'remote'], tests: {} },
  // The protocol as a driver: its client does the talking.
  { name: 'drivers-nbd', imports: ['core-graph', 'qapi-types', 'nbd'] },
  { name: 'drivers-ssh', imports: ['core-graph', 'remote'] },
  { name: 'drivers-archipelago', imports: ['core-graph'] },
  {
    name: 'jobs',
    imports: ['core-graph'],
    tests: { 'drivers-*': 'jobs are tested on real chains of real formats' },
    anywhere: true,
  },
  {
    name: 'image',
    imports: ['core-graph', 'jobs'],
    tests: { 'drivers-*': 'what qemu-img does is tested on real images of real formats' },
  },
  { name: 'drivers-all', imports: ['core-graph', 'drivers-*'] },
  { name: 'qmp-client', imports: ['qapi-types'] },
  {
    name: 'qmp-server',
    imports: ['qapi-types', 'throttle', 'core-graph', 'crypto', 'nbd', 'jobs', 'image', 'drivers-all'],
    tests: { 'drivers-*': 'monitor commands are tested on real nodes', 'qmp-client': 'the client is tried on the server that it was written for' },
  },
  { name: 'cli', imports: ['qapi-types', 'throttle', 'core-graph', 'crypto', 'drivers-*', 'drivers-all', 'nbd', 'jobs', 'image', 'qmp-server', 'qmp-client'] },
];

/** Private packages under `tooling/` and what they may use of the published ones. */
export const tools = [
  { name: 'tsconfig', imports: [] },
  { name: 'eslint-config', imports: [] },
  { name: 'tsup-config', imports: [] },
  { name: 'vitest-config', imports: [] },
  { name: 'skeleton', imports: [] },
  { name: 'repo', imports: [] },
  { name: 'qapi-gen', imports: [] },
  { name: 'oracle', imports: [] },
  { name: 'image-writers', imports: [] },
  // core-graph does not depend on it, so it may depend on core-graph.
  { name: 'driver-conformance', imports: ['core-graph', 'qapi-types'] },
  // Whole ways through, from the outside: everything may be used.
  { name: 'e2e', imports: ['qapi-types', 'core-graph', 'crypto', 'drivers-*', 'throttle', 'drivers-all', 'nbd', 'jobs', 'image', 'qmp-server', 'qmp-client', 'cli'] },
  // Both programs side by side: ours as a whole.
  { name: 'differential', imports: ['cli'] },
  { name: 'bench', imports: ['qapi-types', 'core-graph', 'crypto', 'drivers-*', 'drivers-all', 'nbd', 'image'] },
];

/** Tools that stand on everything: nothing stands on them. */
const top = ['bench', 'differential', 'e2e'];

/** Tools that a package below them must not use, not even in tests: they stand on it. */
const standsOn = { 'driver-conformance': ['core-graph', 'qapi-types', 'throttle'] };

const isTool = new Map(tools.map((tool) => [tool.name, tool]));

/** The row of a package: its own, or the one for all drivers. */
export function rowOf(name) {
  const own = layers.find((row) => row.name === name) ?? isTool.get(name);
  if (own !== undefined) return own;
  if (name.startsWith('drivers-')) return layers.find((row) => row.name === 'drivers-*');
  return undefined;
}

/** Whether a list of the table covers a package's name. */
export const covers = (list, name) =>
  list.includes(name) || (list.includes('drivers-*') && name.startsWith('drivers-') && name !== 'drivers-all');

/** Whether `from` may know `to`: at run time (`kind` is 'runtime'), or in its tests and build ('dev'). */
export function mayUse(from, to, kind) {
  const row = rowOf(from);
  if (row === undefined || from === to) return from === to;
  if (covers(row.imports, to)) return true;
  if (isTool.has(from)) return isTool.has(to) && !top.includes(to);
  if (kind === 'runtime') return false;
  if (isTool.has(to)) return !top.includes(to) && !(standsOn[to]?.includes(from) ?? false);
  return covers(Object.keys(row.tests ?? {}), to);
}
