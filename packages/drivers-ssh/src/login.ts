/** Ways to log in, in the order in which they are tried: the agent's keys, then those in files that need no passphrase. */
import ssh2, { type AnyAuthMethod } from 'ssh2';
import { BlockError } from '@blk/core-graph';
import type { Surroundings } from './surroundings.js';

const { utils } = ssh2;

export interface Login {
  readonly methods: AnyAuthMethod[];
  /** Files left out because they need a passphrase. */
  readonly locked: readonly string[];
}

export async function loginOf(username: string, surroundings: Surroundings): Promise<Login> {
  const methods: AnyAuthMethod[] = [{ type: 'none', username }];
  const locked: string[] = [];
  if (surroundings.agent !== undefined) methods.push({ type: 'agent', username, agent: surroundings.agent });
  for (const { path, text } of await surroundings.privateKeys()) {
    const key = utils.parseKey(text);
    if (!(key instanceof Error)) methods.push({ type: 'publickey', username, key });
    else if (key.message.includes('passphrase')) locked.push(path);
  }
  return { methods, locked };
}

/** The server took none of them. */
export function loginRefused({ locked }: Login): BlockError {
  const left = locked.length === 0 ? '' : ` (not tried, as they need a passphrase: ${locked.join(', ')})`;
  return new BlockError(
    'permission',
    `failed to authenticate using publickey authentication and the identities held by your ssh-agent${left}`,
    { driver: 'ssh', reason: 'ssh/login' },
  );
}
