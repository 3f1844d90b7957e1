import { lineChart, type Chart, type Series } from '@drf/experiment';
import { formatTable, type Cell } from '@drf/terminal';
import type { OperationGrowth, TopicGrowth } from './growth.js';
import type { Growth } from './topic.js';

const exponent = (slope: number | undefined): string => (slope === undefined ? '' : slope.toFixed(2));

/** Sizes with time, memory and the exponents from the size before; then the exponents of all sizes and of the upper half. */
function operationRows({ operation, sizes, time, memory, atMost, tooSteep }: OperationGrowth): Cell[][] {
  const limit = (what: keyof Growth): string => `${exponent((what === 'time' ? time : memory).upper)}, at most ${atMost[what]}${tooSteep.includes(what) ? ': too steep' : ''}`; // prettier-ignore
  return [
    ...sizes.map(({ size, milliseconds, peakMegabytes, rankMegabytes }, i) => [
      operation,
      size.toLocaleString('en-US'),
      milliseconds.toPrecision(3),
      exponent(time.neighbors[i - 1]),
      rankMegabytes?.map((each) => each.toFixed(0)).join(', ') ?? peakMegabytes.toFixed(0),
      exponent(memory.neighbors[i - 1]),
    ]),
    [operation, 'all', '', exponent(time.all), '', exponent(memory.all)],
    [operation, 'upper half', '', limit('time'), '', limit('memory')],
  ];
}

/** One table, and what its operations do. */
export function growthText({ topic, unit, operations }: TopicGrowth): string {
  const memory = operations.some(({ sizes }) => sizes.some(({ rankMegabytes }) => rankMegabytes !== undefined)) ? 'peak MiB of each rank' : 'peak MiB'; // prettier-ignore
  const head = [topic, unit, 'ms a call', 'exponent', memory, 'exponent'];
  const words = operations.map(({ operation, words: own }) => `${operation}: ${own}`);
  return [formatTable(head, operations.flatMap(operationRows)), ...words].join('\n');
}

const POWERS = new Map([[0, 'constant'], [1, 'linear'], [2, 'quadratic']]); // prettier-ignore

/** Time and memory of each operation as multiples of the smallest size's, with what time may grow by, on log axes. */
export function growthChart({ topic, unit, operations }: TopicGrowth): Chart {
  const measured = operations.flatMap(({ operation, sizes }): Series[] => {
    const line = (name: string, of: (cost: (typeof sizes)[number]) => number): Series => {
      const [first] = sizes as [(typeof sizes)[number]];
      return { name, points: sizes.map((cost) => ({ x: cost.size, y: of(cost) / of(first) })) };
    };
    return [
      line(`${operation}: time`, ({ milliseconds }) => milliseconds),
      line(`${operation}: memory`, ({ peakMegabytes }) => peakMegabytes),
    ];
  });
  const sizes = operations[0]?.sizes.map(({ size }) => size) ?? [];
  const limits = [...new Set(operations.map(({ atMost }) => atMost.time))].map((power): Series => ({
    name: POWERS.get(power) ?? `power ${power}`,
    points: sizes.map((size) => ({ x: size, y: (size / (sizes[0] as number)) ** power })),
    dashed: true,
  }));
  const title = `Growth of time and memory with the number of ${unit}`;
  const axes = { xName: unit, yName: `times that of the smallest`, log: true };
  return lineChart(`growth-${topic}`, title, [...measured, ...limits], axes);
}
