/** The client's side of the handshake: payloads of options as it sends them, replies as it takes them apart. Replies are hostile. */
import { Info } from './constants.js';
import { malformed, Reader, utf8, Writer } from './handshake.js';

/** What a server says of an export, from `NBD_INFO_*` replies or from the old ways of the handshake. */
export interface ExportInfo {
  /** Bytes. */
  readonly size: number;
  /** `TransmissionFlag`s. */
  readonly flags: number;
  readonly name?: string;
  readonly description?: string;
  /** Bytes; absent where the server did not tell. */
  readonly blockSizes?: BlockSizes;
}

export interface BlockSizes {
  readonly minimum: number;
  readonly preferred: number;
  readonly maximum: number;
}

/** Data of `NBD_OPT_INFO` and `NBD_OPT_GO`. */
export function encodeInfoRequest(name: string, infos: readonly number[]): Uint8Array {
  const bytes = utf8(name);
  const writer = new Writer(6 + bytes.length + 2 * infos.length).u32(bytes.length).raw(bytes).u16(infos.length);
  for (const info of infos) writer.u16(info);
  return writer.bytes;
}

/** Data of `NBD_OPT_LIST_META_CONTEXT` and `NBD_OPT_SET_META_CONTEXT`. */
export function encodeMetaContextRequest(name: string, queries: readonly string[]): Uint8Array {
  const bytes = utf8(name);
  const encoded = queries.map(utf8);
  const writer = new Writer(8 + bytes.length + encoded.reduce((sum, query) => sum + 4 + query.length, 0));
  writer.u32(bytes.length).raw(bytes).u32(queries.length);
  for (const query of encoded) writer.u32(query.length).raw(query);
  return writer.bytes;
}

/** Payload of `NBD_REP_SERVER`. */
export function parseServer(data: Uint8Array): { readonly name: string; readonly description: string } {
  const reader = new Reader(data);
  const name = reader.text(reader.u32());
  return { name, description: reader.text(reader.left) };
}

/** Payload of `NBD_REP_META_CONTEXT`. */
export function parseMetaContext(data: Uint8Array): { readonly id: number; readonly name: string } {
  const reader = new Reader(data);
  const id = reader.u32();
  return { id, name: reader.text(reader.left) };
}

/** Payload of `NBD_REP_INFO`; kinds that this side does not know say nothing. */
export function parseInfo(data: Uint8Array): Partial<ExportInfo> {
  const reader = new Reader(data);
  switch (reader.u16()) {
    case Info.Export: {
      const info = { size: reader.u64(), flags: reader.u16() };
      reader.end();
      return info;
    }
    case Info.Name:
      return { name: reader.text(reader.left) };
    case Info.Description:
      return { description: reader.text(reader.left) };
    case Info.BlockSize: {
      const blockSizes = { minimum: reader.u32(), preferred: reader.u32(), maximum: reader.u32() };
      reader.end();
      checkBlockSizes(blockSizes);
      return { blockSizes };
    }
    default:
      return {};
  }
}

function checkBlockSizes({ minimum, preferred, maximum }: BlockSizes): void {
  if (!isPowerOfTwo(minimum) || minimum > 65536) throw malformed(`a minimum block size of ${minimum} bytes`);
  if (!isPowerOfTwo(preferred) || preferred < minimum) throw malformed(`a preferred block size of ${preferred} bytes`);
  if (maximum < preferred || maximum % minimum !== 0) {
    // All bits: no limit.
    if (maximum !== 0xffffffff) throw malformed(`a maximum block size of ${maximum} bytes`);
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}
