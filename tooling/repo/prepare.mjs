// Installs and builds when that is needed. Only Node's own modules: it runs before there are any others.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const windows = process.platform === 'win32';

/** Runs a command in the root, its output on our standard error; resolves with its exit code. */
export function step(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 2, 2],
      // turbo sends nothing anywhere.
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', ...env },
      shell: windows,
    });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** A program that the installation brought. */
export const tool = (name) => join(root, 'node_modules/.bin', name);

/** `npm install`, unless the tree in node_modules is the one that the manifests ask for. */
export async function install() {
  const stamp = join(root, 'node_modules/.blk-installed');
  const wanted = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  // Not `npm ci`: the lock file also lists binaries of other platforms, which not every registry has.
  const code = await step(windows ? 'npm.cmd' : 'npm', ['install', '--no-save', '--no-audit', '--no-fund']);
  if (code !== 0) throw new Error(`npm install ended with ${code}`);
  writeFileSync(stamp, wanted);
}

/** Builds all packages; turbo skips those that have not changed. */
export async function build() {
  const code = await step(tool('turbo'), ['run', 'build', '--output-logs=errors-only']);
  if (code !== 0) throw new Error(`the build ended with ${code}`);
  writeFileSync(built, '');
}

/** Whether a file is there and no source of any package is younger than the last build. */
export function isFresh(file) {
  if (!existsSync(file) || !existsSync(built)) return false;
  const time = statSync(built).mtimeMs;
  return members('packages').every((dir) => youngest(join(dir, 'src')) < time && statSync(join(dir, 'package.json')).mtimeMs < time);
}

const built = join(root, 'node_modules/.blk-built');

/** Ends the process when its work fails: one line, no stack. */
export function fail(name, error) {
  console.error(`${name}: ${error.message}`);
  process.exit(1);
}

function members(group) {
  return readdirSync(join(root, group))
    .map((name) => join(root, group, name))
    .filter((dir) => existsSync(join(dir, 'package.json')));
}

function youngest(dir) {
  if (!existsSync(dir)) return 0;
  return readdirSync(dir, { recursive: true }).reduce((time, file) => Math.max(time, statSync(join(dir, file)).mtimeMs), 0);
}

/** What an installation depends on: the lock, what every manifest asks for, and the platform. */
function fingerprint() {
  const hash = createHash('sha256');
  const manifests = [root, ...members('packages'), ...members('tooling')].map((dir) => join(dir, 'package.json'));
  for (const file of [join(root, 'package-lock.json'), ...manifests.sort()]) {
    if (existsSync(file)) hash.update(file.slice(root.length)).update(readFileSync(file));
  }
  return hash.update(`${process.platform} ${process.arch}`).digest('hex');
}
