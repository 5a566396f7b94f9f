// A page in a browser without a window: a script, files that it may fetch, and what it comes to.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { needTool, tempDir } from '@blk/oracle';

/** Milliseconds that a page gets. */
const PATIENCE = 60_000;

/**
 * Runs `script`, a classic one, in a page that can fetch `files` by their names. The script hands its result to `globalThis.done(value)`,
 * which goes through JSON.
 */
export async function runInBrowser(script: string, files: ReadonlyMap<string, string>): Promise<unknown> {
  using profile = tempDir();
  let finish: (value: unknown) => void = () => undefined;
  const result = new Promise<unknown>((resolve) => (finish = resolve));
  const server = createServer((request, response) => {
    const name = (request.url ?? '/').slice(1);
    const file = files.get(name);
    if (request.method === 'POST') {
      let text = '';
      request.setEncoding('utf8').on('data', (piece: string) => (text += piece)).on('end', () => {
        response.end();
        finish(JSON.parse(text));
      });
    } else if (name === '') response.setHeader('content-type', 'text/html').end(PAGE);
    else if (name === 'script.js') response.setHeader('content-type', 'text/javascript; charset=utf-8').end(script);
    else if (file !== undefined) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // Its own processes outlive it, and have its output: a group of them can be ended together.
  const args = ['--no-sandbox', '--no-proxy-server', '--remote-debugging-port=0', `--user-data-dir=${profile.path}`, url];
  const browser = spawn(needTool('chromium-headless-shell'), args, { detached: true, stdio: 'ignore' });
  const ended = new Promise<string>((resolve) => {
    browser.once('exit', (code, signal) => { resolve(`the browser ended: ${code ?? signal}`); });
    browser.once('error', (error) => { resolve(error.message); });
  });
  const late = setTimeout(() => { finish({ error: `nothing within ${PATIENCE} ms` }); }, PATIENCE);
  const atExit = (): void => { endGroup(browser.pid); };
  process.once('exit', atExit);
  try {
    return await Promise.race([result, ended.then((text) => { throw new Error(text); })]);
  } finally {
    clearTimeout(late);
    process.off('exit', atExit);
    endGroup(browser.pid);
    await ended;
    server.closeAllConnections();
    server.close();
  }
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** Errors of the script are results as well. */
const PAGE = `<!doctype html><meta charset="utf-8"><script>
globalThis.done = (value) => fetch('/', { method: 'POST', body: JSON.stringify(value) });
addEventListener('error', (event) => done({ error: String(event.message) }));
addEventListener('unhandledrejection', (event) => done({ error: String(event.reason && event.reason.stack || event.reason) }));
</script><script src="script.js"></script>`;
