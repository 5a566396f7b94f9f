/** What of the user's own a connection needs: who they are, their keys, their agent, and the servers that they know. */
import { readFile as readFileCallback } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SshDriverOptions } from './driver.js';
import { knownKeys, type KnownKey } from './known-hosts.js';

const readFile = promisify(readFileCallback);

export class Surroundings {
  readonly #home: string;
  readonly #systemKnownHosts: string;
  /** Socket of the agent; undefined: none is asked. */
  readonly agent: string | undefined;

  constructor({ home, agent, systemKnownHosts }: SshDriverOptions) {
    this.#home = home ?? homedir();
    this.#systemKnownHosts = systemKnownHosts ?? '/etc/ssh/ssh_known_hosts';
    const named = agent ?? process.env['SSH_AUTH_SOCK'];
    this.agent = named === false || named === '' ? undefined : named;
  }

  /** Who runs this program. */
  get user(): string {
    return userInfo().username;
  }

  /** What `known_hosts`, the user's and the machine's, say about a server. */
  async knownKeys(host: string, port: number): Promise<KnownKey[]> {
    const texts = await Promise.all([join(this.#home, '.ssh', 'known_hosts'), this.#systemKnownHosts].map(textOf));
    return texts.flatMap((text) => knownKeys(text, host, port));
  }

  /** Texts of the private keys that are where `ssh` looks for them. */
  async privateKeys(): Promise<{ readonly path: string; readonly text: string }[]> {
    const paths = KEY_FILES.map((name) => join(this.#home, '.ssh', name));
    const texts = await Promise.all(paths.map(textOf));
    return paths.map((path, index) => ({ path, text: texts[index] })).filter(({ text }) => text !== '');
  }
}

const KEY_FILES = ['id_rsa', 'id_ecdsa', 'id_ed25519'];

/** A file that is not there, or not ours to read, says nothing. */
function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
