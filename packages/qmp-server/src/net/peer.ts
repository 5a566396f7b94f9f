/** Who is at the other end of a unix socket, as the kernel says, and whether it may come in. */
import { endianness } from 'node:os';
import type { Socket } from 'node:net';
import { BlockError } from '@blk/core-graph';
import type { SocketTarget } from './listen.js';

/** Clients that may come in: those of one of these users, and those of one of these groups. */
export interface PeerRule {
  /** Numbers of users. */
  readonly uids?: readonly number[];
  /** Numbers of groups: a process's own one, not those that it is a further member of. */
  readonly gids?: readonly number[];
}

/** What the kernel recorded when the client connected. */
interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Gives the reason why a client may not come in; undefined: it may. */
export type PeerCheck = (socket: Socket) => string | undefined;

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/**
 * The check that `rule` stands for. A listener that can't tell who its clients are must not serve anybody: throws `unsupported` where
 * the system or the socket does not say, or the optional package koffi, which asks it, is not installed.
 */
export async function peerCheck(rule: PeerRule, target: SocketTarget): Promise<PeerCheck> {
  if ('port' in target) throw new BlockError('unsupported', 'The credentials of a client can only be checked on a unix socket');
  const credentialsOf = await loadCredentials();
  if (credentialsOf === undefined) {
    throw new BlockError('unsupported', 'The credentials of a client can only be checked on Linux, with the package koffi installed');
  }
  return (socket) => {
    const peer = credentialsOf(socket);
    if (peer === undefined) return 'it does not say who it is';
    if (rule.uids?.includes(peer.uid) === true || rule.gids?.includes(peer.gid) === true) return undefined;
    return `process ${peer.pid} of user ${peer.uid}, group ${peer.gid} is not allowed`;
  };
}

/** The part of koffi that is used here. */
interface Koffi {
  load(library: null): { func(prototype: string): (fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array) => number };
}

async function loadCredentials(): Promise<((socket: Socket) => PeerCredentials | undefined) | undefined> {
  // The numbers above differ on some processors that Node runs on no more, or only in big-endian.
  if (process.platform !== 'linux' || endianness() !== 'LE') return undefined;
  let koffi: Koffi;
  try {
    koffi = (await import('koffi')).default;
  } catch {
    return undefined;
  }
  const getsockopt = koffi.load(null).func('int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint8_t *length)');
  return (socket) => {
    // Node has no public name for it; a socket that was closed meanwhile has none at all.
    const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
    if (fd === undefined || fd < 0) return undefined;
    const value = Buffer.alloc(12);
    const length = Buffer.from(Uint32Array.of(value.length).buffer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0 || length.readUInt32LE() !== value.length) return undefined;
    // Of a socket of another family the kernel says process 0 and no user.
    const peer = { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
    return peer.pid === 0 && peer.uid === 0xffffffff ? undefined : peer;
  };
}
