/** `--object`: what it describes, in words or as JSON. */
import { parseOptions } from '@blk/qapi-types';
import { genericError } from '../errors.js';
import { makeObject } from '../make-object.js';
import type { BlkServer } from '../server.js';

/** Object types that QEMU has and this server does not. */
const OTHERS = [
  'authz-list', 'authz-list-file', 'authz-pam', 'authz-simple', 'cryptodev-backend', 'iothread', 'main-loop', 'secret_keyring',
  'tls-cipher-suites',
];

/** Adds the object that the option describes. */
export async function addObject(server: BlkServer, text: string): Promise<void> {
  const type = /^(?:qom-type=)?([\w-]+)(?:,|$)/.exec(text)?.[1] ?? /"qom-type"\s*:\s*"([\w-]+)"/.exec(text)?.[1];
  if (type !== undefined && OTHERS.includes(type)) throw genericError(`Objects of type '${type}' are not supported`);
  await makeObject(server, parseOptions('ObjectOptions', text, 'qom-type'));
}
