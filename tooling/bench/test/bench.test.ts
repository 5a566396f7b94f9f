import { describe, expect, it } from 'vitest';
import { columns, verdict } from '../src/report.js';
import { fill } from '../src/runs/command.js';
import { alternate, compare, summarize } from '../src/statistics.js';
import type { Workload } from '../src/workload.js';
import { workloads } from '../src/workloads/index.js';

describe('statistics', () => {
  it('takes the middle', () => {
    expect(summarize([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(summarize([4, 1, 2, 3]).median).toBe(2.5);
    expect(() => summarize([])).toThrow(RangeError);
  });
  it('compares medians or minima, and shows the spread of single rounds', () => {
    const samples = { ours: [1, 1, 4], reference: [2, 2, 2] };
    expect(compare(samples, 'median', (a, b) => b / a)).toMatchObject({ ratio: 2, spread: [0.5, 2] });
    expect(compare({ ours: [9, 1], reference: [3, 4] }, 'min', (a, b) => b / a).ratio).toBe(3);
  });
  it('runs both sides in turn, the order changing, the warm-up not counted', async () => {
    const order: string[] = [];
    const samples = await alternate(2, true, (side) => Promise.resolve(order.push(side)));
    expect(order.map((side) => side[0]).join('')).toBe('roorro');
    expect(samples).toEqual({ ours: [3, 6], reference: [4, 5] });
  });
});

describe('report', () => {
  const find = (id: string): Workload => workloads.find((workload) => workload.id === id) as Workload;
  const at = (ours: number, reference: number, ratio: number) => ({
    ours: { median: ours, min: ours, max: ours }, reference: { median: reference, min: reference, max: reference },
    ratio, spread: [ratio, ratio] as const,
  });
  it('judges speed upwards, time downwards, memory by our own figure', () => {
    expect(verdict(find('nbd-raw-4k-randread-d32'), at(100, 50, 2))).toBe('short');
    expect(verdict(find('nbd-raw-4k-randread-d32'), at(150, 50, 3))).toBe('bar');
    expect(verdict(find('start-info-qcow2'), at(45, 10, 4.5))).toBe('goal');
    expect(verdict(find('start-info-qcow2'), at(70, 10, 7))).toBe('short');
    expect(verdict(find('rss-nbd-idle'), at(60, 8, 7.5))).toBe('bar');
    expect(verdict(find('rss-nbd-loaded'), at(60, 8, 7.5))).toBeUndefined();
  });
  it('writes what a reader needs', () => {
    expect(columns(find('rss-nbd-idle'), at(60, 8, 7.5))).toEqual([
      '14', 'NBD server, idle', 'qemu-nbd', '60.0 MiB', '8.00 MiB', '7.50 (7.50–7.50)', '≤ 64 MiB', '≤ 50 MiB', 'first bar',
    ]);
  });
});

describe('workloads', () => {
  it('have names of their own', () => {
    expect(new Set(workloads.map((workload) => workload.id)).size).toBe(workloads.length);
  });
  it('cover the rows of the goals that exist', () => {
    const rows = new Set(workloads.flatMap(({ row }) => row ?? []));
    expect([...rows].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });
  it('fill their lines', () => {
    expect(fill('create -q {target}  1G', { target: '/t/a b' })).toEqual(['create', '-q', '/t/a b', '1G']);
  });
});
