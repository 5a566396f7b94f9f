#!/usr/bin/env node
/** The program `blk-qmp-server`: the daemon with every driver of the family. */
import { allDrivers } from '@blk/drivers-all';
import { runDaemon } from './daemon/run.js';

process.exit(await runDaemon(process.argv.slice(2), { program: 'blk-qmp-server', drivers: allDrivers }));
