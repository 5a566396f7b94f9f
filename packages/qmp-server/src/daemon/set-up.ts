/** Carrying out the options, one after the other. */
import type { ManualClock } from '@blk/core-graph';
import { coerceType, parseKeyval, parseOptions, validateType } from '@blk/qapi-types';
import { parseJson } from '@blk/qapi-types/json';
import { startNbd } from '../commands/nbd.js';
import { genericError } from '../errors.js';
import { addExport } from '../exports/add-export.js';
import { lacksKey } from '../passwords.js';
import type { MonitorOptions } from '../monitor/monitor.js';
import type { BlkServer } from '../server.js';
import type { Argument, OptionName } from './arguments.js';
import type { Chardevs } from './chardev.js';
import { addDrive } from './drive.js';
import { addObject } from './objects.js';
import { serveQtest } from './qtest.js';
import { parseSimpleOptions, take } from './simple-options.js';

/** What options act on. */
export interface SetUp {
  readonly server: BlkServer;
  readonly chardevs: Chardevs;
  /** The clock that stands still, where `--qtest` is among the options. */
  readonly clock: ManualClock | undefined;
  /** Monitors of `-qmp` so far. */
  compatMonitors: number;
}

/** Carries out one option. Throws with the option before the message, as QEMU does. */
export async function carryOut(argument: Argument, setUp: SetUp): Promise<void> {
  const { name, value } = argument;
  const action = ACTIONS[name];
  if (action === undefined) return;
  try {
    await action(value, setUp);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const dashes = name === 'drive' || name === 'qmp' || name === 'qtest' ? '-' : '--';
    throw genericError(`${dashes}${name} ${name === 'object' ? withoutSecret(value) : value}: ${text}`, error);
  }
}

/** The text of an object as messages may show it. */
function withoutSecret(text: string): string {
  return text.startsWith('{') ? '{…}' : text.replace(/(^|,)data=(?:[^,]|,,)*/, '$1data=…');
}

type Action = (value: string, setUp: SetUp) => Promise<void> | void;

const ACTIONS: { readonly [N in OptionName]?: Action } = {
  blockdev: (value, { server }) => server.addBlockdev(parseOptions('BlockdevOptions', value, 'driver')),
  drive: async (value, setUp) => {
    const node = (await addDrive(setUp.server.graph, value, setUp.server.drives++)).edge?.node;
    // Whoever has the password lets the machine go on.
    if (node !== undefined && (await lacksKey(node))) setUp.server.machine.hold();
  },
  chardev: async (value, { chardevs }) => {
    await chardevs.open(value);
  },
  monitor: (value, setUp) => {
    const { chardev, mode = 'control', pretty = false, oob = false } = readMonitor(value);
    if (mode !== 'control') throw genericError('Only QMP is supported');
    addMonitor(setUp, chardev, { pretty, oob });
  },
  qmp: addCompatMonitor,
  qtest: async (value, { chardevs, clock }) => {
    if (clock === undefined) return;
    const id = value.startsWith('chardev:') ? value.slice('chardev:'.length) : await openCompat(chardevs, 'qtest', value);
    chardevs.take(id).serve((stream) => { serveQtest(stream, clock); });
  },
  'nbd-server': (value, { server }) => {
    const options = parseOptions('NbdServerOptions', value);
    return startNbd(server, options.addr, {
      tlsCreds: options['tls-creds'],
      tlsAuthz: options['tls-authz'],
      maxConnections: options['max-connections'],
    });
  },
  export: (value, { server }) => {
    addExport(server, parseOptions('BlockExportOptions', value, 'type'));
  },
  object: (value, { server }) => addObject(server, value),
  trace: () => {
    throw genericError('tracing is not supported');
  },
};

/** `pretty` may stand alone. */
function readMonitor(value: string): { chardev: string; mode?: string; pretty?: boolean; oob?: boolean } {
  if (value.startsWith('{')) return validateType('MonitorOptions', parseJson(value));
  return coerceType('MonitorOptions', parseKeyval(value.replace(/,pretty(?=,|$)/, ',pretty=on'), 'chardev'));
}

function addMonitor({ server, chardevs }: SetUp, chardev: string, options: MonitorOptions = {}): void {
  chardevs.take(chardev).serve((stream, client) => {
    if (server.closing) stream.writable.destroy();
    else server.addMonitor(stream, { name: client, ...options });
  });
}

async function addCompatMonitor(value: string, setUp: SetUp): Promise<void> {
  addMonitor(setUp, await openCompat(setUp.chardevs, `compat_monitor${setUp.compatMonitors++}`, value));
}

/** Opens what older options name: `unix:PATH,server,nowait` (or `unix:path=PATH,…`), `tcp:HOST:PORT,…`, `stdio`. Gives the id. */
async function openCompat(chardevs: Chardevs, id: string, value: string): Promise<string> {
  const options = parseSimpleOptions(value.replace(/^unix:path=/, 'unix:'), 'address');
  const address = take(options, 'address') ?? '';
  const unix = /^unix:(.+)$/.exec(address);
  const tcp = /^tcp:(?:\[([^\]]*)\]|([^:]*)):([^:]+)$/.exec(address);
  if (unix !== null) options.set('path', unix[1]);
  else if (tcp !== null) options.set('host', tcp[1] ?? tcp[2]).set('port', tcp[3]);
  else if (address !== 'stdio') throw genericError(`'${address}' is not unix:PATH, tcp:HOST:PORT or stdio`);
  await chardevs.add(id, address === 'stdio' ? 'stdio' : 'socket', options);
  return id;
}

