/** How a server has to prove who it is: what the options can ask for. */
import { invalid } from './errors.js';

const HASHES = ['md5', 'sha1', 'sha256'] as const;

/** What is asked of a server's key. */
export type HostKeyCheck =
  | { readonly mode: 'none' }
  | { readonly mode: 'known_hosts' }
  | { readonly mode: 'hash'; readonly type: (typeof HASHES)[number]; readonly hash: string };

/** The option `host-key-check`; left out: `known_hosts`. */
export function checkOfOption(option: unknown): HostKeyCheck {
  if (option === undefined) return { mode: 'known_hosts' };
  if (typeof option !== 'object' || option === null) throw invalid("Invalid parameter type for 'host-key-check', expected: object");
  const { mode, type, hash } = option as { readonly mode?: string; readonly type?: string; readonly hash?: unknown };
  if (mode === undefined) throw invalid("Parameter 'host-key-check.mode' is missing");
  if (mode === 'none' || mode === 'known_hosts') return { mode };
  if (mode !== 'hash') throw invalid(`Parameter 'mode' does not accept value '${mode}'`);
  if (type === undefined) throw invalid("Parameter 'host-key-check.type' is missing");
  if (hash === undefined) throw invalid("Parameter 'host-key-check.hash' is missing");
  const known = HASHES.find((name) => name === type);
  if (known === undefined) throw invalid(`Parameter 'type' does not accept value '${type}'`);
  if (typeof hash !== 'string') throw invalid("Invalid parameter type for 'host-key-check.hash', expected: string");
  return { mode, type: known, hash };
}

/** The older option `host_key_check`: `yes`, `no`, or a fingerprint behind the name of its hash. */
export function checkOfText(text: string): HostKeyCheck {
  if (text === 'yes') return { mode: 'known_hosts' };
  if (text === 'no') return { mode: 'none' };
  const at = text.indexOf(':');
  const type = HASHES.find((name) => name === text.slice(0, at));
  if (type === undefined) throw invalid(`unknown host_key_check setting (${text})`);
  return { mode: 'hash', type, hash: text.slice(at + 1) };
}
