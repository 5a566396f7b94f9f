/** The functions of libxseg that are used here, bound by koffi. Addresses are numbers: those of user space fit. */
import { endianness } from 'node:os';
import { lacking } from '../errors.js';

/** `libxseg`, version 0.4, and what is needed to look into the memory that it hands out. */
export interface Xseg {
  initialize(): number;
  /** Address of the joined segment; 0: there is none of that name. */
  join(type: string, name: string, peer: string, wakeUp: number): number;
  leave(xseg: number): void;
  /** Address of a port that nobody has bound; 0: there is none. */
  bindDynport(xseg: number): number;
  leaveDynport(xseg: number, port: number): number;
  portno(xseg: number, port: number): number;
  initLocalSignal(xseg: number, portno: number): number;
  quitLocalSignal(xseg: number, portno: number): void;
  signalDesc(xseg: number, port: number): number;
  prepareWait(xseg: number, portno: number): number;
  /** Address of a request; 0: there is no room. */
  getRequest(xseg: number, from: number, to: number, flags: number): number;
  /** Negative: there is no room. */
  prepRequest(xseg: number, request: number, targetLength: number, length: number): number;
  target(xseg: number, request: number): number;
  data(xseg: number, request: number): number;
  /** The port that it went to, or `NO_PORT`. */
  submit(xseg: number, request: number, portno: number, flags: number): number;
  signal(xseg: number, portno: number): number;
  /** Address of an answered request; 0: there is none. */
  receive(xseg: number, portno: number, flags: number): number;
  putRequest(xseg: number, request: number, portno: number): number;

  /** Copies `from[start, start + length)` to an address. */
  poke(to: number, from: Uint8Array, start: number, length: number): void;
  /** Copies from an address to `into[start, start + length)`. */
  peek(from: number, into: Uint8Array, start: number, length: number): void;
}

/** What `submit` gives where the peer's port takes nothing. */
export const NO_PORT = 0xffff_ffff;

/** Loads the library, once for each name that it is asked for by. Throws where it, or koffi, is not there. */
export function loadXseg(name: string | undefined): Promise<Xseg> {
  const key = name ?? '';
  let xseg = loaded.get(key);
  if (xseg === undefined) {
    xseg = load(name);
    loaded.set(key, xseg);
    // What was missing may be there the next time.
    xseg.catch(() => { loaded.delete(key); });
  }
  return xseg;
}

const loaded = new Map<string, Promise<Xseg>>();

/** The names that its packages have installed it by. */
const NAMES = ['libxseg.so.0', 'libxseg.so'];

/** The part of koffi that is used here. */
interface Koffi {
  load(name: string | null): Library;
  address(value: Uint8Array): bigint;
}

interface Library {
  func(name: string, result: string, parameters: readonly string[]): (...values: (number | string)[]) => number;
}

async function load(name: string | undefined): Promise<Xseg> {
  if (process.platform !== 'linux' || process.arch !== 'x64' || endianness() !== 'LE') throw lacking(', whose memory is laid out for Linux on x86-64; this is another system');
  let koffi: Koffi;
  try {
    koffi = (await import('koffi')).default;
  } catch (error) {
    throw lacking(', which is called by the package koffi, and that is not installed', error);
  }
  const library = openLibrary(koffi, name === undefined ? NAMES : [name]);
  try {
    return bind(koffi, library);
  } catch (error) {
    throw lacking(` 0.4; the library that was found is another: ${(error as Error).message}`, error);
  }
}

function openLibrary(koffi: Koffi, names: readonly string[]): Library {
  let problem: unknown;
  for (const name of names) {
    try {
      return koffi.load(name);
    } catch (error) {
      problem = error;
    }
  }
  throw lacking(`, and it could not be loaded: ${(problem as Error).message}`, problem);
}

const PTR = 'uintptr_t';
const U32 = 'uint32';

function bind(koffi: Koffi, library: Library): Xseg {
  const func = (name: string, result: string, ...parameters: string[]) => library.func(name, result, parameters);
  const memcpy = koffi.load(null).func('memcpy', PTR, [PTR, PTR, 'size_t']);
  const addressOf = (bytes: Uint8Array, start: number, length: number): number => {
    if (start < 0 || length < 0 || start + length > bytes.byteLength) throw new RangeError(`${length} bytes at ${start} are not within a buffer of ${bytes.byteLength}`);
    return Number(koffi.address(bytes)) + start;
  };
  return {
    initialize: func('xseg_initialize', 'int'),
    join: func('xseg_join', PTR, 'str', 'str', 'str', PTR),
    leave: func('xseg_leave', 'void', PTR),
    bindDynport: func('xseg_bind_dynport', PTR, PTR),
    leaveDynport: func('xseg_leave_dynport', 'int', PTR, PTR),
    portno: func('xseg_portno_nonstatic', U32, PTR, PTR),
    initLocalSignal: func('xseg_init_local_signal', 'int', PTR, U32),
    quitLocalSignal: func('xseg_quit_local_signal', 'void', PTR, U32),
    signalDesc: func('xseg_get_signal_desc_nonstatic', PTR, PTR, PTR),
    prepareWait: func('xseg_prepare_wait', 'int', PTR, U32),
    getRequest: func('xseg_get_request', PTR, PTR, U32, U32, U32),
    prepRequest: func('xseg_prep_request', 'int', PTR, PTR, U32, 'uint64'),
    target: func('xseg_get_target_nonstatic', PTR, PTR, PTR),
    data: func('xseg_get_data_nonstatic', PTR, PTR, PTR),
    submit: func('xseg_submit', U32, PTR, PTR, U32, U32),
    signal: func('xseg_signal', 'int', PTR, U32),
    receive: func('xseg_receive', PTR, PTR, U32, U32),
    putRequest: func('xseg_put_request', 'int', PTR, PTR, U32),
    poke: (to, from, start, length) => { memcpy(to, addressOf(from, start, length), length); },
    peek: (from, into, start, length) => { memcpy(addressOf(into, start, length), from, length); },
  };
}
