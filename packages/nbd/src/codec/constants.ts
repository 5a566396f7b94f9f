/** The numbers of the NBD protocol, under the names of its document (`doc/proto.md` of the nbd project). */

/** Both halves of each 64-bit magic; 32-bit ones alone. */
export const Magic = {
  /** `NBDMAGIC` */
  InitHigh: 0x4e42444d,
  InitLow: 0x41474943,
  /** `IHAVEOPT` */
  OptionHigh: 0x49484156,
  OptionLow: 0x454f5054,
  /** 0x3e889045565a9 */
  OptionReplyHigh: 0x0003e889,
  OptionReplyLow: 0x045565a9,
  Request: 0x25609513,
  SimpleReply: 0x67446698,
  StructuredReply: 0x668e33ef,
} as const;

/** Handshake flags; the client's flags have the same bits. */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

export const TransmissionFlag = {
  HasFlags: 1,
  ReadOnly: 2,
  SendFlush: 4,
  SendFua: 8,
  Rotational: 16,
  SendTrim: 32,
  SendWriteZeroes: 64,
  SendDf: 128,
  CanMultiConn: 256,
  SendResize: 512,
  SendCache: 1024,
  SendFastZero: 2048,
} as const;

export const Option = {
  ExportName: 1,
  Abort: 2,
  List: 3,
  StartTls: 5,
  Info: 6,
  Go: 7,
  StructuredReply: 8,
  ListMetaContext: 9,
  SetMetaContext: 10,
} as const;

const ERROR = 0x80000000;

export const OptionReply = {
  Ack: 1,
  Server: 2,
  Info: 3,
  MetaContext: 4,
  Unsupported: ERROR + 1,
  Policy: ERROR + 2,
  Invalid: ERROR + 3,
  Platform: ERROR + 4,
  TlsRequired: ERROR + 5,
  Unknown: ERROR + 6,
  Shutdown: ERROR + 7,
  BlockSizeRequired: ERROR + 8,
  TooBig: ERROR + 9,
} as const;

export const Info = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

export const Command = {
  Read: 0,
  Write: 1,
  Disconnect: 2,
  Flush: 3,
  Trim: 4,
  Cache: 5,
  WriteZeroes: 6,
  BlockStatus: 7,
} as const;

export const CommandFlag = { Fua: 1, NoHole: 2, Df: 4, ReqOne: 8, FastZero: 16 } as const;

export const ReplyFlag = { Done: 1 } as const;

export const Chunk = {
  None: 0,
  OffsetData: 1,
  OffsetHole: 2,
  BlockStatus: 5,
  Error: 0x8001,
  ErrorOffset: 0x8002,
} as const;

/** Flags of `base:allocation`. */
export const AllocationState = { Hole: 1, Zero: 2 } as const;

/** Sizes in bytes. */
export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;
export const CHUNK_BYTES = 20;
export const OPTION_BYTES = 16;
export const OPTION_REPLY_BYTES = 20;
/** Header of a structured chunk of data: the chunk's own and the offset. */
export const DATA_CHUNK_BYTES = CHUNK_BYTES + 8;

/** Longest string of the protocol, in bytes: export names, descriptions, queries. */
export const MAX_STRING = 4096;
/** Longest payload that every implementation is expected to take. */
export const DEFAULT_MAX_PAYLOAD = 32 * 1024 * 1024;
