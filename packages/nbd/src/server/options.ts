/** The answers to options of the handshake that have a reply. */
import { Info, Option, OptionReply } from '../codec/constants.js';
import {
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeMetaContext,
  encodeServer,
  malformed,
  parseInfoRequest,
  parseMetaContextRequest,
} from '../codec/handshake.js';
import type { NbdExport } from './export.js';
import { queryMatches } from './meta-context.js';
import type { Negotiation, SelectedContext } from './negotiation.js';

/** Answers one option. Throws a `BlockError` where its data is malformed. */
export function answerOption(negotiation: Negotiation, option: number, data: Uint8Array): void {
  switch (option) {
    case Option.Abort:
      negotiation.reply(OptionReply.Ack);
      negotiation.close();
      break;
    case Option.List:
      list(negotiation, data);
      break;
    case Option.Info:
    case Option.Go:
      info(negotiation, data, option === Option.Go);
      break;
    case Option.StructuredReply:
      structuredReply(negotiation, data);
      break;
    case Option.ListMetaContext:
    case Option.SetMetaContext:
      metaContext(negotiation, data, option === Option.ListMetaContext);
      break;
    default:
      negotiation.refuse(OptionReply.Unsupported, `Unsupported option ${option}`);
  }
}

function list(negotiation: Negotiation, data: Uint8Array): void {
  if (data.length !== 0) throw malformed(`${data.length} bytes of data in NBD_OPT_LIST, which takes none`);
  for (const { name, description } of negotiation.host.list()) {
    negotiation.reply(OptionReply.Server, encodeServer(name, description));
  }
  negotiation.reply(OptionReply.Ack);
}

/** The export of that name, or undefined after a refusal. */
function find(negotiation: Negotiation, name: string): NbdExport | undefined {
  if (negotiation.host.closing) {
    negotiation.refuse(OptionReply.Shutdown, 'Server is shutting down');
    return undefined;
  }
  const target = negotiation.host.find(name);
  if (target === undefined) negotiation.refuse(OptionReply.Unknown, `export '${name}' not present`);
  return target;
}

function info(negotiation: Negotiation, data: Uint8Array, go: boolean): void {
  const { name, infos } = parseInfoRequest(data);
  const target = find(negotiation, name);
  if (target === undefined) return;
  if (infos.includes(Info.Name)) negotiation.reply(OptionReply.Info, encodeInfoText(Info.Name, target.name));
  if (infos.includes(Info.Description) && target.description !== '') {
    negotiation.reply(OptionReply.Info, encodeInfoText(Info.Description, target.description));
  }
  if (infos.includes(Info.BlockSize)) {
    negotiation.reply(OptionReply.Info, encodeInfoBlockSize(1, PREFERRED_BLOCK, negotiation.host.limits.maxPayload));
  }
  negotiation.reply(OptionReply.Info, encodeInfoExport(target.size, target.flags(negotiation.structured)));
  negotiation.reply(OptionReply.Ack);
  if (go) negotiation.enter(target);
}

function structuredReply(negotiation: Negotiation, data: Uint8Array): void {
  if (data.length !== 0) throw malformed(`${data.length} bytes of data in NBD_OPT_STRUCTURED_REPLY, which takes none`);
  if (negotiation.structured) {
    negotiation.refuse(OptionReply.Invalid, 'Structured replies are on already');
    return;
  }
  negotiation.structured = true;
  negotiation.reply(OptionReply.Ack);
}

function metaContext(negotiation: Negotiation, data: Uint8Array, listing: boolean): void {
  // A new selection takes the place of the old one even where it fails.
  if (!listing) negotiation.contexts = undefined;
  if (!negotiation.structured) {
    negotiation.refuse(OptionReply.Invalid, 'Metadata contexts need structured replies');
    return;
  }
  const { name, queries } = parseMetaContextRequest(data, negotiation.host.limits.maxQueries);
  const target = find(negotiation, name);
  if (target === undefined) return;
  const selected: SelectedContext[] = [];
  target.contexts.forEach((context, index) => {
    const wanted =
      (listing && queries.length === 0) || queries.some((query) => queryMatches(query, context.name, listing));
    if (wanted) selected.push({ id: index + 1, context });
  });
  for (const { id, context } of selected) {
    negotiation.reply(OptionReply.MetaContext, encodeMetaContext(listing ? 0 : id, context.name));
  }
  if (!listing) negotiation.contexts = { target, selected };
  negotiation.reply(OptionReply.Ack);
}

const PREFERRED_BLOCK = 4096;
