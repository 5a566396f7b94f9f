/** Whether somebody listens on a unix socket, found out without a connection: one client may be all that a server serves. */
import { existsSync, readFileSync } from 'node:fs';

/** What the kernel's list shows of a socket that listens. */
const ACCEPTS = '00010000';

/** A socket's file is there a moment before connections to it are accepted; where the system tells no more, the file has to do. */
export function isListening(path: string): boolean {
  let sockets: string;
  try {
    sockets = readFileSync('/proc/net/unix', 'utf8');
  } catch {
    return existsSync(path);
  }
  return sockets.split('\n').some((line) => {
    const [, , , flags, , , , name] = line.trim().split(/\s+/);
    return flags === ACCEPTS && name === path;
  });
}
