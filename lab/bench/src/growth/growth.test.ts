import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasMpirun } from '@drf/collective/testing';
import { CLASSES } from './classes.js';
import { growthOf, type OperationGrowth } from './growth.js';
import { POSTS } from './posts.js';
import { QUEUE } from './queue.js';
import { growthChart, growthText } from './report.js';
import { slopesOf } from './slopes.js';
import { TOKENS } from './tokens.js';
import { calledOperation, LINEAR } from './topic.js';

const LIMIT = { timeout: 180_000 };

describe('slopesOf', () => {
  it('finds the power between neighbors, over all sizes and over the upper half', () => {
    const sizes = [1, 10, 100, 1000];
    const cost = [5, 5, 50, 5000]; // fixed, then linear, then quadratic
    const { neighbors, all, upper } = slopesOf(sizes, cost);
    neighbors.forEach((slope, i) => expect(slope).toBeCloseTo([0, 1, 2][i] as number, 12));
    expect(all).toBeCloseTo(1, 12); // Σ x·y / Σ x² of −1.5, −0.5, 0.5, 1.5 and −1, −1, 0, 2 about their means
    expect(upper).toBeCloseTo(2, 12);
  });

  it('takes two sizes for the upper half at least, and the middle of three', () => {
    expect(slopesOf([1, 2], [1, 4]).upper).toBeCloseTo(2, 12);
    expect(slopesOf([1, 2, 4], [1, 1, 2]).upper).toBeCloseTo(1, 12);
  });
});

const operation = { name: 'work', words: 'working', atMost: { time: 1, memory: 0 } };

/** Costs that grow by these powers of sizes 10, 100, 1000. */
function grown(time: number, memory: number, margin = 0.3): OperationGrowth {
  const costs = [10, 100, 1000].map((size) => ({ size, milliseconds: size ** time, peakMegabytes: 100 * size ** memory })); // prettier-ignore
  return growthOf(operation, costs, margin);
}

describe('growthOf', () => {
  it('says what grows faster than it may, beyond the margin', () => {
    expect(grown(1.2, 0.2).tooSteep).toEqual([]);
    expect(grown(1.4, 0).tooSteep).toEqual(['time']);
    expect(grown(2, 1).tooSteep).toEqual(['time', 'memory']);
    expect(grown(1.2, 0.2, 0.1).tooSteep).toEqual(['time', 'memory']);
  });

  it('is told in a table, with the exponents beside what must hold, and on log axes', () => {
    const topic = { topic: 'posts', unit: 'posts', operations: [grown(2, 0)] };
    const text = growthText(topic);
    expect(text).toMatch(/work +│ 1,000 +│ 1\.00e\+6 +│ 2\.00 +│ 100 +│ 0\.00/);
    expect(text).toMatch(/upper half +│ +│ 2\.00, at most 1: too steep │ +│ 0\.00, at most 0 /);
    const { svg, description } = growthChart(topic);
    expect(description).toContain('work: time: from 1.00 at 10 to 1.00e+4 at 1000');
    expect(description).toContain('linear: from 1.00 at 10 to 100 at 1000');
    expect(svg).toContain('>10,000<'); // axes that were not logarithmic would have 2,000 steps
    expect(svg).not.toContain('>2,000<');
  });
});

describe('calledOperation', () => {
  it('calls as often as it is told, closes, and gives the fastest call', async () => {
    const calls: number[] = [];
    let closed = 0;
    const counted = calledOperation({ name: 'wait', words: '', atMost: LINEAR }, (size) => ({
      call: (number) => (calls.push(number), new Promise((resolve) => setTimeout(resolve, size + 100 * Number(number === 0)))), // prettier-ignore
      close: async () => void closed++,
    }));
    const { milliseconds, peakMegabytes } = await counted.measure(100, 3);
    expect(calls).toEqual([0, 1, 2]);
    expect(milliseconds).toBeGreaterThan(90);
    expect(peakMegabytes).toBeGreaterThan(20);
    expect(closed).toBe(1);
  });
});

const ALL = [POSTS, CLASSES, QUEUE, TOKENS].flatMap((topic) => topic.operations.map((own) => ({ topic, own })));

describe('every operation', () => {
  it.each(ALL.map(({ topic, own }) => [topic.name, own.name, own, 2 * topic.smallest] as const))(
    'measures itself: %s, %s',
    LIMIT,
    async (_, __, own, size) => {
      const { milliseconds, peakMegabytes } = await own.measure(size, 2);
      expect(milliseconds).toBeGreaterThan(0);
      expect(peakMegabytes).toBeGreaterThan(50);
    },
  );
});

describe('bench growth', () => {
  const root = fileURLToPath(new URL('../../../../', import.meta.url));
  const run = async (...words: string[]): Promise<string> => {
    const own = ['--conditions=source', '--import', './scripts/from-source.mjs', 'lab/bench/src/main.ts', 'growth'];
    const { stdout } = await promisify(execFile)(process.execPath, [...own, ...words], { cwd: root });
    return stdout;
  };

  it('measures each size in a process of its own and draws a chart', LIMIT, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-growth-'));
    const words = ['--only', 'queue', '--operation', 'enqueue', '--queue', '4,8', '--margin', '9', '--charts', folder];
    expect(await run(...words)).toMatch(/enqueue +│ upper half/);
    expect(await readFile(join(folder, 'growth-queue.svg'), 'utf8')).toContain('enqueue: memory');
    await rm(folder, { recursive: true });
  });

  it.skipIf(!hasMpirun())('starts ranks by mpirun and tells the memory of each', LIMIT, async () => {
    const words = ['--only', 'ranks', '--operation', 'all-reduce', '--ranks', '1,2', '--margin', '9', '--json'];
    const [topic] = JSON.parse(await run(...words)) as [{ operations: readonly OperationGrowth[] }];
    expect(topic.operations[0]?.sizes.map(({ rankMegabytes }) => rankMegabytes?.length)).toEqual([1, 2]);
  });
});
