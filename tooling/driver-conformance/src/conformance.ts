/** The suite: one call in a driver's test, and the whole contract is tried on it. */
import { describe, it } from 'vitest';
import { contractTests } from './contract.js';
import { makeHistory, minimise, printHistory, type History } from './history.js';
import { ARRANGEMENTS, Rig, type Arrangement, type Provider } from './rig.js';
import { runHistory } from './run-history.js';
import { prng } from '@blk/oracle';

export interface Conformance {
  /** Of the driver, and of the variant. */
  readonly name: string;
  /** Makes a fresh image. */
  readonly provision: Provider;
  /** Bytes of the images; 1.25 MiB and three sectors unless given. */
  readonly size?: number;
  /** Sizes that the driver takes are multiples of this; 512 unless given. */
  readonly sizeGranularity?: number;
  /** `provision` honours `asynchronous`. */
  readonly asynchronous?: boolean;
  /** The driver drops what is written, and says so. */
  readonly forgets?: boolean;
  /** Histories for each arrangement; 6 unless given, and times `BLK_CONFORMANCE_RUNS`. */
  readonly histories?: number;
  /** Steps of one history; 30 unless given. */
  readonly steps?: number;
}

const DEFAULT_SIZE = 1280 * 1024 + 3 * 512;

/** Registers the tests of the contract for one driver. */
export function driverConformance(driver: Conformance): void {
  const runs = (driver.histories ?? 6) * Math.max(1, Number(process.env.BLK_CONFORMANCE_RUNS ?? 1));
  describe(`${driver.name} keeps the driver contract`, () => {
    for (const arrangement of ARRANGEMENTS) {
      if (arrangement.asynchronous && driver.asynchronous !== true && arrangement.offset === 0) continue;
      it(
        `is one array of bytes over random histories, ${arrangement.name}`,
        async () => {
          for (let run = 0; run < runs; run++) await tryHistory(driver, arrangement, run);
        },
        120_000 + runs * 1000,
      );
    }
    contractTests(driver.provision, {
      size: driver.size ?? DEFAULT_SIZE,
      granularity: driver.sizeGranularity ?? 512,
      forgets: driver.forgets ?? false,
    });
  });
}

/** Runs the history of `seed`; throws with the smallest one that shows what is wrong. */
export async function tryHistory(driver: Conformance, arrangement: Arrangement, seed: number): Promise<void> {
  const size = driver.size ?? DEFAULT_SIZE;
  const request = { size, seed };
  const probe = await Rig.make(driver.provision, arrangement, request);
  const { node } = probe;
  const history = makeHistory(prng(seed * 1000 + arrangement.name.length), {
    size: node.size,
    steps: driver.steps ?? 30,
    writable: !node.readOnly,
    resizable: node.driver.truncate !== undefined,
    sizeGranularity: driver.sizeGranularity ?? 512,
    growable: node.driver.growable === true,
  });
  const first = await outcomeOf(probe, history, driver);
  if (first === undefined) return;
  const fails = async (candidate: History): Promise<boolean> => {
    const rig = await Rig.make(driver.provision, arrangement, request);
    return (await outcomeOf(rig, candidate, driver)) !== undefined;
  };
  const smallest = await minimise(history, fails);
  const again = await outcomeOf(await Rig.make(driver.provision, arrangement, request), smallest, driver);
  const error = again ?? first;
  throw new Error(
    `${driver.name} ${arrangement.name}, seed ${seed}, size ${size}: ${messageOf(error)}\nSmallest history found:\n${printHistory(smallest)}`,
    { cause: error },
  );
}

/** What went wrong, or undefined. */
async function outcomeOf(rig: Rig, history: History, driver: Conformance): Promise<unknown> {
  try {
    await runHistory(rig, history, driver.forgets ?? false);
    return undefined;
  } catch (error) {
    return error ?? new Error('failed with nothing to say');
  } finally {
    await rig.dispose();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
