import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import { findProgram } from '@drf/terminal';
import { UnavailableError } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { featureAgreement, judgmentAgreement, pairsOf } from './agreement.js';
import { describePipeline, measurePipeline } from './command.js';
import { peerStages, pythonVersions } from './python.js';
import { chooseSetting, measureTask, rateOf, type Run, type Setting, type Side } from './turns.js';
import { PROGRAM } from './workplace.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-bench-'))));
afterAll(() => rm(folder, { recursive: true }));

const run = (posts: number, seconds: number): Run => ({ posts, seconds, cpuSeconds: 1, peakMegabytes: 100 });

/** A side that does so many posts a second by its threads after a start of a second, and counts what it is asked for. */
function side(rate: (setting: Setting) => number, stages: Side['stages'], asked: string[] = [], name = ''): Side {
  const posts = { few: 10, some: 100, all: 1000 };
  return {
    setting: { threads: 1 },
    stages,
    run: async (setting, size) => {
      asked.push(`${name}${size} ${setting['threads']}`);
      return run(posts[size], 1 + posts[size] / rate(setting));
    },
  };
}

describe('rateOf', () => {
  it('leaves out the start, unless there are too few posts to tell it from the rest', () => {
    expect(rateOf(run(110, 3), { posts: 10, seconds: 1 })).toBe(50);
    expect(rateOf(run(10, 2), { posts: 10, seconds: 2 })).toBe(5);
  });
});

describe('chooseSetting', () => {
  it('begins each stage with the best so far, and tries no setting twice', async () => {
    const asked: string[] = [];
    const stages: Side['stages'] = [
      () => [{ threads: 1 }, { threads: 4 }, { threads: 2 }],
      (best) => [{ threads: Number(best['threads']) + 1 }],
    ];
    const chosen = await chooseSetting(side(({ threads }) => 100 * Number(threads), stages, asked), true); // prettier-ignore
    expect(chosen.setting).toEqual({ threads: 5 });
    expect(Object.keys(chosen.tried)).toEqual(['threads 1', 'threads 4', 'threads 2', 'threads 5']);
    expect(asked.slice(0, 4)).toEqual(['few 1', 'some 1', 'few 4', 'some 4']);
  });
});

describe('measureTask', () => {
  it('takes turns in who goes first, and reports rates without the start', async () => {
    const asked: string[] = [];
    const result = await measureTask(
      {
        name: 'test',
        starts: true,
        ours: side(() => 200, [], asked, 'ours '),
        peer: side(() => 100, [], asked, 'peer '),
        agreement: async () => ({ equalLabels: 1 }),
      },
      2,
    );
    expect(asked.filter((each) => each.includes('all'))).toEqual(['ours all 1', 'peer all 1', 'peer all 1', 'ours all 1']); // prettier-ignore
    expect(result.ours).toMatchObject({ posts: 1000, seconds: 6, startSeconds: 1.05 });
    expect(result.ratios.postsPerSecond).toBeCloseTo(2, 10);
    expect(result.ratios).toMatchObject({ seconds: 6 / 11, peakMegabytes: 1 });
  });
});

describe('agreement', () => {
  it('compares labels and probabilities', () => {
    const post = (a: number) => ({ label: a > 0.5 ? 'a' : 'b', probabilities: { a, b: 1 - a } });
    const pairs = [[post(0.75), post(0.5)], [post(0.25), post(0.25)]] as const; // prettier-ignore
    expect(judgmentAgreement(pairs)).toEqual({ equalLabels: 0.5, largestDifference: 0.25 });
  });

  it('compares features by cosine and difference', () => {
    const pairs = [[Float32Array.of(1, 0), Float32Array.of(1, 1)], [Float32Array.of(0, 2), Float32Array.of(0, 4)]] as const; // prettier-ignore
    const { smallestCosine, meanCosine, ...rest } = featureAgreement(pairs);
    expect(smallestCosine).toBeCloseTo(Math.SQRT1_2, 10);
    expect(meanCosine).toBeCloseTo((1 + Math.SQRT1_2) / 2, 10);
    expect(rest).toEqual({ largestDifference: 2, largestValue: 2 });
  });

  it('says which post the peer lacks', () => {
    const [ours, peer] = [new Map([['7', 1]]), new Map([['8', 1]])];
    expect(() => [...pairsOf(ours, peer)]).toThrow('results of the peer expected post 7, received 1 posts without it');
  });
});

describe('the peer', () => {
  it('tries every layout of both libraries, then batches, then idle threads', () => {
    const { setting, stages } = peerStages(2);
    const [layouts, batches, policies] = stages.map((stage) => stage(setting)) as [Setting[], Setting[], Setting[]];
    expect(layouts.map(({ backend, processes, threads, workers }) => [backend, processes, threads, workers].join(' '))).toEqual([
      'onnxruntime 1 2 2', 'onnxruntime 1 2 1', 'onnxruntime 2 1 0', 'torch 1 2 2', 'torch 1 2 1', 'torch 2 1 0',
    ]); // prettier-ignore
    expect(batches.map(({ batch }) => batch)).toEqual([8, 16, 64]);
    expect(policies.map(({ policy }) => policy)).toEqual(['ACTIVE']);
  });

  it('names a Python that is not there', async () => {
    const checked = pythonVersions(join(folder, 'no-python'));
    await expect(checked).rejects.toThrow(UnavailableError);
    await expect(checked).rejects.toThrow('no-python, received no such command; pass --python');
  });
});

describe('measurePipeline', () => {
  it('compares encoding, judging, serving and training of tiny encoders with Python', async (context) => {
    if (!existsSync(PROGRAM)) return context.skip('the program is not built: pnpm build');
    const python = process.env['PYTHON'] ?? (await findProgram(['python3'])) ?? 'python3';
    const lacks = await pythonVersions(python).then(() => null, (error: unknown) => String(error)); // prettier-ignore
    if (lacks !== null) return context.skip(`${lacks}; or name another Python by PYTHON`);
    const [imageEncoder, textEncoder] = [join(folder, 'vit'), join(folder, 'bert')];
    await writeTinyVit(imageEncoder);
    await writeTinyBert(textEncoder);
    const report = await measurePipeline({
      ...{ python, only: ['encode', 'predict', 'serve', 'train'], cores: 1, rounds: 1, seed: 0 },
      ...{ posts: 60, some: 0, clients: [2], requests: 20, epochs: 1, batchSize: 16 },
      ...{ imageEncoder, textEncoder },
    });
    expect(report.tasks.map(({ task }) => task)).toEqual(['encode images', 'encode texts', 'predict', 'serve, 2 clients', 'train']); // prettier-ignore
    const [images, texts, predict, serve] = report.tasks.map(({ agreement }) => agreement);
    for (const features of [images, texts]) expect(features?.['smallestCosine']).toBeGreaterThan(0.99);
    for (const judged of [predict, serve]) {
      expect(judged?.['largestDifference']).toBeLessThan(0.05);
      expect(judged?.['equalLabels']).toBeGreaterThan(0.9);
    }
    expect(describePipeline(report)).toContain('ours / Python: posts a second');
  }, 900_000);
});
