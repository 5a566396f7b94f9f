// From the figures of alternating rounds to one line.

/** The figures of both sides, round by round. */
export interface Samples {
  readonly ours: readonly number[];
  readonly reference: readonly number[];
}

/** One side's figures in short. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Both sides, and what is between them. */
export interface Comparison {
  readonly ours: Summary;
  readonly reference: Summary;
  readonly ratio: number;
  /** The lowest and the highest ratio of a single round. */
  readonly spread: readonly [number, number];
}

/** @throws RangeError if there are no figures. */
export function summarize(figures: readonly number[]): Summary {
  if (figures.length === 0) throw new RangeError('no figures to summarize');
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

/**
 * Compares the two sides.
 * @param statistic - medians, or minima where single rounds may be slowed by what is not theirs
 * @param ratio - from our figure and the peer's
 */
export function compare(
  samples: Samples, statistic: 'median' | 'min', ratio: (ours: number, peer: number) => number
): Comparison {
  const ours = summarize(samples.ours);
  const reference = summarize(samples.reference);
  const rounds = summarize(samples.ours.map((figure, i) => ratio(figure, samples.reference[i])));
  return { ours, reference, ratio: ratio(ours[statistic], reference[statistic]), spread: [rounds.min, rounds.max] };
}

/**
 * Runs both sides in turn, the order changing every round (A B, B A, …), so that drift falls on both.
 * @param warmUp - whether one round goes before that is not counted
 */
export async function alternate(
  rounds: number, warmUp: boolean, run: (side: 'ours' | 'reference') => Promise<number>
): Promise<Samples> {
  const samples = { ours: [] as number[], reference: [] as number[] };
  for (let round = warmUp ? -1 : 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (['ours', 'reference'] as const) : (['reference', 'ours'] as const);
    for (const side of order) {
      const figure = await run(side);
      if (round >= 0) samples[side].push(figure);
    }
  }
  return samples;
}
