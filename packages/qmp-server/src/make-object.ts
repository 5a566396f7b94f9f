/** Making and removing objects: what `object-add`, `--object` and `object-del` have in common. */
import { readFileSync } from 'node:fs';
import { errnoOf, messageOf, strerror } from '@blk/core-graph';
import type { ObjectOptions } from '@blk/qapi-types';
import { IDENTIFIER_TEXT, isIdentifier } from './blockdev.js';
import { genericError } from './errors.js';
import type { SecretObject, ServerObject, TlsObject } from './objects.js';
import type { BlkServer } from './server.js';
import { limitsOfProperties } from './throttle-limits.js';

type Options<T extends ObjectOptions['qom-type']> = Extract<ObjectOptions, { 'qom-type': T }>;

/** Makes what checked options describe. Throws with nothing made. */
export async function makeObject(server: BlkServer, options: ObjectOptions): Promise<void> {
  const { id } = options;
  if (!isIdentifier(id)) throw genericError(IDENTIFIER_TEXT);
  server.objects.checkFree(id);
  server.objects.add(await made(server, options));
}

/** Removes an object. Throws where there is none of this id, or it is in use. */
export function removeObject(server: BlkServer, id: string): void {
  const object = server.objects.named(id);
  if (object === undefined) throw genericError(`object '${id}' not found`);
  if (object.type === 'throttle-group' && !server.graph.throttling.remove(object.group)) {
    throw genericError(`object '${id}' is in use, can not be deleted`);
  }
  server.objects.delete(id);
}

function made(server: BlkServer, options: ObjectOptions): Promise<ServerObject> | ServerObject {
  switch (options['qom-type']) {
    case 'secret':
      return secret(server, options);
    case 'throttle-group':
      return throttleGroup(server, options);
    case 'tls-creds-anon':
    case 'tls-creds-psk':
    case 'tls-creds-x509':
      return tlsCredentials(server, options);
  }
}

function throttleGroup(server: BlkServer, options: Options<'throttle-group'>): ServerObject {
  const { id } = options;
  try {
    return { type: 'throttle-group', id, group: server.graph.throttling.make(id, limitsOfProperties(options)) };
  } catch (error) {
    throw genericError(messageOf(error), error);
  }
}

async function secret({ objects }: BlkServer, options: Options<'secret'>): Promise<SecretObject> {
  const { secretBytes } = await import('@blk/crypto');
  return { type: 'secret', id: options.id, data: await secretBytes(options, readSecret, (key) => objects.secret(key)) };
}

function readSecret(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw genericError(`Unable to read ${file}: Failed to open file “${file}”: ${strerror(errnoOf(error))}`, error);
  }
}

async function tlsCredentials({ objects }: BlkServer, options: Options<'tls-creds-anon' | 'tls-creds-psk' | 'tls-creds-x509'>): Promise<TlsObject> {
  const { loadTlsObject } = await import('@blk/nbd');
  return { type: options['qom-type'], id: options.id, ...(await loadTlsObject(options, (key) => objects.secret(key))) };
}
