// npm start: installs and builds if that is needed, then runs the server on a small disk image that it makes in blk-demo.
// Standard input and output, signals and the exit code are the server's own. Further arguments are handed to it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build, fail, install, isFresh, root } from './prepare.mjs';

const program = join(root, 'packages/cli/dist/blk.cjs');
const parent = process.ppid;
try {
  await install();
  if (!isFresh(program)) await build();
  if (!existsSync(program)) throw new Error(`the build did not make ${program}`);
} catch (error) {
  fail('npm start', error);
}

// Only npm install needs further certificates; they would slow the start of the server.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
const server = spawn(process.execPath, [program, 'serve', '--demo', ...process.argv.slice(2)], { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // A terminal sends its interrupt to both of us; the server should see it once.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) server.kill(signal);
  });
}
// npm hands a SIGTERM to the shell that it started us by, which ends without a word to us.
const watch = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(watch);
  server.kill('SIGTERM');
}, 250).unref();
server.once('error', (error) => fail('npm start', error));
server.once('close', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
