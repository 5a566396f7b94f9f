/** The driver value `ssh`: its options, and the file names that mean it. The protocol is loaded when an image is opened or made. */
import { defineDriver, type BlockDriver } from '@blk/core-graph';
import { parseSshName, type AddressOptions } from './address.js';

/** What of the user's own is used; each left out: as `ssh` itself finds it. */
export interface SshDriverOptions {
  /** Folder that holds `.ssh`: keys and `known_hosts`. Left out: the user's home. */
  readonly home?: string;
  /** Socket of the agent; false: none is asked. Left out: the one that `SSH_AUTH_SOCK` names. */
  readonly agent?: string | false;
  /** `known_hosts` of the whole machine. */
  readonly systemKnownHosts?: string;
}

export interface SshOptions extends AddressOptions {
  readonly 'reconnect-delay'?: number;
  readonly timeout?: number;
}

export function sshDriver(own: SshDriverOptions = {}): BlockDriver {
  return defineDriver<SshOptions>({
    name: 'ssh',
    role: 'protocol',
    options: {
      server: { type: 'any' },
      path: { type: 'string' },
      user: { type: 'string' },
      'host-key-check': { type: 'any' },
      host: { type: 'string' },
      port: { type: 'any' },
      host_key_check: { type: 'string' },
      'reconnect-delay': { type: 'uint' },
      timeout: { type: 'uint' },
    },
    schemes: ['ssh'],
    parseFilename: parseSshName,
    open: async (options, context) => (await import('./open.js')).openSsh(options, context, own),
    createOptions: {},
    createFile: async (filename, { size }, context) => (await import('./create.js')).createSsh(parseSshName(filename), size, context, own),
    removeFile: async (filename) => (await import('./create.js')).removeSsh(parseSshName(filename), own),
  });
}

/** The driver with the user's own agent, keys and `known_hosts`. */
export const ssh = sshDriver();
