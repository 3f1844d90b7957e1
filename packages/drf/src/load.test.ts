import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Judgment, PostInput } from '@drf/judge';
import { ConfigurationError } from '@drf/tensor';
import { makeEmbeddedRun, makeTinyRun } from '@drf/export/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, openRun } from './index.js';
import { picture } from './testing/posts.js';

let folder: string;
let posts: PostInput[];
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-load-'));
  await makeEmbeddedRun(at('run'), { method: 'drf', seen: 20, imageSize: 224 });
  await makeEmbeddedRun(at('other'), { method: 'concatenation', imageSize: 224 });
  posts = [
    { text: 'what a joy', image: await picture([250, 200, 50], 4) },
    { text: 'so sad' },
    { image: await picture([30, 50, 100], 9) },
  ];
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

function expectAlike(judgments: readonly Judgment[], expected: readonly Judgment[]): void {
  expect(judgments.map(({ label, recovered }) => [label, recovered])).toEqual(expected.map(({ label, recovered }) => [label, recovered])); // prettier-ignore
  judgments.forEach(({ probabilities }, i) => {
    for (const [name, share] of Object.entries(probabilities)) expect(share).toBeCloseTo(expected[i]?.probabilities[name] ?? -1, 3); // prettier-ignore
  });
}

describe('load', () => {
  it('opens a run, its export, and both together, in one process', async () => {
    await using run = await openRun(at('run'));
    const { written } = await run.export(at('exported'), { tokens: 16 });
    expect(written.at(-1)).toBe(at('exported', 'card.json'));
    await expect(run.export(at('exported'))).rejects.toThrow(/expected a new or empty folder/);
    await expect(run.export(at('more'), { precison: 'int8' } as object)).rejects.toThrow(/did you mean "precision"/);
    await expect(run.evaluate({ cels: 'clean' } as object)).rejects.toThrow(/did you mean "cells"/);
    await expect(load(at('exported'), { engin: 'compiled' } as object)).rejects.toThrow(/did you mean "engine"/);
    const expected = await run.predict(posts);
    await using exported = await load(at('exported'));
    await using both = await load([at('run'), at('exported')]);
    expect(exported.info).toMatchObject({ classes: run.classes, sources: [{ kind: 'export' }] });
    expect(both.info.sources.map(({ kind }) => kind)).toEqual(['run', 'export']);
    expectAlike(await exported.predict(posts), expected);
    expectAlike(await both.predict(posts), expected);
    const explanations = await Promise.all([run, exported, both].map((model) => model.explain(posts[0] as PostInput, { grid: [1, 2] }))); // prettier-ignore
    for (const { judgment, label, words, regions, modalities } of explanations) {
      expect([label, label]).toEqual([judgment.label, expected[0]?.label]);
      expect(words.map(({ word }) => word)).toEqual(['what', 'a', 'joy']);
      expect(regions).toHaveLength(2);
      const alone = (await exported.judge({ text: 'what a joy' })).probabilities[label] as number;
      const whole = judgment.probabilities[label] as number;
      expect(modalities.image?.probability).toBeCloseTo(whole - alone, 3);
    }
    for (const none of ['', null, 5, ['']] as string[]) await expect(load(none)).rejects.toThrow(ConfigurationError);
    for (const none of ['what a joy', null, 5, {}] as PostInput[][]) await expect(exported.predict(none)).rejects.toThrow(ConfigurationError); // prettier-ignore
    const signal = AbortSignal.abort();
    const waiting = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<PostInput>>(() => undefined) }) }; // prettier-ignore
    const judging = exported.predict(waiting, { signal: AbortSignal.timeout(5) }).next();
    await expect(judging).rejects.toMatchObject({ name: 'AbortError', code: 'interrupted' });
    await expect(exported.explain({ text: 'a' }, { signal })).rejects.toMatchObject({ name: 'AbortError', code: 'interrupted' }); // prettier-ignore
  });

  it('keeps models of other classes, methods and engines apart, and goes on when one is closed', async () => {
    await makeTinyRun(at('unlike'), { method: 'concatenation' }); // names encoders that are not here
    await expect(load(at('unlike'))).rejects.toThrow();
    const [one, other] = await Promise.all([
      load(at('run'), { engine: 'eager:wasm' }),
      load(at('other'), { engine: 'compiled' }),
    ]);
    const alone = { one: await one.predict(posts), other: await other.predict(posts) };
    expect(alone.one[0]?.pairWeights).not.toBeNull();
    expect(alone.other[0]?.pairWeights).toBeNull();
    const pending = posts.flatMap((post) => [one.judge(post), other.judge(post)]);
    await one.close();
    const judgments = await Promise.all(pending);
    expect(judgments.filter((_, i) => i % 2 === 0)).toEqual(alone.one);
    expect(judgments.filter((_, i) => i % 2 === 1)).toEqual(alone.other);
    expect(await other.predict(posts)).toEqual(alone.other);
    await expect(one.judge(posts[0] as PostInput)).rejects.toThrow(/A model expected to be used while it is open/);
    await other.close();
    await other.close();
  });

  it('works in a worker thread, which ends with its models', async () => {
    const code = `
      const { parentPort, workerData } = await import('node:worker_threads');
      const { load } = await import(workerData.library);
      const model = await load(workerData.folder);
      parentPort.postMessage(await model.predict(workerData.posts));
      await model.close();
    `;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { library: new URL('index.ts', import.meta.url).href, folder: at('run'), posts },
      execArgv: ['--conditions=source', '--import', new URL('../../../scripts/from-source.mjs', import.meta.url).href],
    });
    const judgments = await new Promise<Judgment[]>((resolve, reject) =>
      worker.on('message', resolve).on('error', reject),
    );
    await new Promise((resolve) => worker.on('exit', resolve));
    await using run = await load(at('run'));
    expectAlike(judgments, await run.predict(posts));
  });
});
