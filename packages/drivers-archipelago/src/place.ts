/** Which volume is meant, and by which ports it is reached: from options, and from `archipelago:` names. */
import { invalid } from './errors.js';
import { LONGEST_NAME } from './protocol.js';

export interface PlaceOptions {
  readonly volume?: string;
  readonly mport?: number;
  readonly vport?: number;
  readonly segment?: string;
  /** An `archipelago:` name instead of all the others. */
  readonly filename?: string;
}

/** A volume, and the way to it. */
export interface Place {
  readonly volume: string;
  /** Port of the mapper. */
  readonly mport: number;
  /** Port of the composer. */
  readonly vport: number;
  /** Name of the shared memory. */
  readonly segment: string;
}

/** The place that options mean. */
export function placeOf({ filename, ...options }: PlaceOptions): Place {
  const given = Object.values(options).some((value) => value !== undefined);
  if (filename !== undefined && given) throw invalid("The options 'volume', 'mport', 'vport' and 'segment' cannot be used beside a file name");
  const { volume, mport = MAPPER_PORT, vport = COMPOSER_PORT, segment = SEGMENT } = filename === undefined ? options : parseArchipelagoName(filename);
  if (volume === undefined) throw invalid("Parameter 'volume' is missing");
  checkName('volume', volume, LONGEST_NAME);
  checkName('segment', segment, LONGEST_SEGMENT);
  return { volume, mport: checkPort('mport', mport), vport: checkPort('vport', vport), segment };
}

/** Options for a file name: `archipelago:VOLUME[/mport=N[:vport=N][:segment=NAME]]`, with what is behind the slash in any order. */
export function parseArchipelagoName(filename: string): PlaceOptions {
  const [, volume = '', rest] = /^archipelago:([^/]*)(?:\/(.*))?$/s.exec(filename) ?? [];
  if (volume === '') throw invalid(`'${filename}' names no volume; expected archipelago:VOLUME[/mport=N[:vport=N][:segment=NAME]]`);
  const options: { volume: string; mport?: number; vport?: number; segment?: string } = { volume };
  for (const part of rest === undefined ? [] : rest.split(':')) {
    const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(part) ?? [];
    if (key !== 'mport' && key !== 'vport' && key !== 'segment') throw invalid(`'${part}' in '${filename}' is none of mport=N, vport=N and segment=NAME`);
    if (options[key] !== undefined) throw invalid(`'${filename}' gives '${key}' twice`);
    if (key === 'segment') options.segment = value;
    else if (/^\d{1,10}$/.test(value)) options[key] = checkPort(key, Number(value));
    else throw invalid(`Parameter '${key}' expects a number`);
  }
  checkName('volume', volume, LONGEST_NAME);
  if (options.segment !== undefined) checkName('segment', options.segment, LONGEST_SEGMENT);
  return options;
}

/** The name that means a place; undefined where none can say it. */
export function nameOf({ volume, mport, vport, segment }: Place): string | undefined {
  if (volume.includes('/') || segment.includes(':')) return undefined;
  const usual = mport === MAPPER_PORT && vport === COMPOSER_PORT && segment === SEGMENT;
  return `archipelago:${volume}${usual ? '' : `/mport=${mport}:vport=${vport}:segment=${segment}`}`;
}

const MAPPER_PORT = 1001;
const COMPOSER_PORT = 501;
const SEGMENT = 'archipelago';
/** Bytes of a segment's name; one more ends it. */
const LONGEST_SEGMENT = 255;
/** Stands for "no port". */
const NO_PORT = 0xffff_ffff;

function checkName(what: string, name: string, most: number): void {
  const length = new TextEncoder().encode(name).length;
  if (length === 0 || length > most || name.includes('\0')) throw invalid(`Parameter '${what}' expects a name of 1 to ${most} bytes`);
}

function checkPort(what: string, port: number): number {
  if (port >= NO_PORT) throw invalid(`Parameter '${what}' expects a number below ${NO_PORT}`);
  return port;
}
