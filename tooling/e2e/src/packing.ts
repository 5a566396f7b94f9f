// Packages as npm delivers them: packed, and installed in a project that knows nothing of this repository.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run, type RunResult } from '@blk/oracle';

export const ROOT = join(import.meta.dirname, '../../..');

/** The packages, and those of ours that they depend on. Names without scope. */
export function withDependencies(names: readonly string[]): string[] {
  const all = new Set(names);
  for (const name of all) {
    const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8')) as { dependencies?: object };
    for (const dependency of Object.keys(dependencies)) if (dependency.startsWith('@blk/')) all.add(dependency.slice('@blk/'.length));
  }
  return [...all];
}

/** Packs the built packages into `dir`, each from a copy, so that the repository stays as it is. Gives the tarballs by name. */
export async function pack(names: readonly string[], dir: string): Promise<Map<string, string>> {
  const tarballs = new Map<string, string>();
  for (const name of names) {
    const from = join(ROOT, 'packages', name);
    if (!existsSync(join(from, 'dist'))) throw new Error(`${name} is not built: npm run build first`);
    const copy = join(dir, 'pack', name);
    cpSync(from, copy, { recursive: true, filter: (path) => basename(path) !== 'node_modules' && basename(path) !== 'test' });
    const packed = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', dir], copy);
    const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
    tarballs.set(name, join(dir, filename));
  }
  return tarballs;
}

/** Makes an empty project and installs the tarballs. Native helpers are left out on purpose: every driver works without them. */
export async function installPacked(project: string, tarballs: ReadonlyMap<string, string>): Promise<void> {
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'outside', private: true, type: 'module' }));
  await npm(['install', '--no-audit', '--no-fund', '--omit=optional', '--prefer-offline', '--ignore-scripts', ...tarballs.values()], project);
}

async function npm(args: readonly string[], cwd: string): Promise<RunResult> {
  return succeed(await run('npm', args, { cwd, timeout: 120_000, env: { NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'] } }));
}

/** Throws with what a program printed where it failed. */
export function succeed(result: RunResult): RunResult {
  if (result.code !== 0) throw new Error(result.stdout + result.stderr);
  return result;
}
