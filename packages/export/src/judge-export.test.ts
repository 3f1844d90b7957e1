// A folder that was exported judges as the run does, and says what is wrong with it where it does not.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeCalibration } from '@drf/experiment';
import { writeEnsemble } from '@drf/files';
import { type Calibration, explain, type Explanation, openJudge, type Judge, type PostContent } from '@drf/judge';
import { createRandom, type RgbImage } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportRun } from './export-run.js';
import { makeEmbeddedRun, makeTinyRun } from './testing/tiny-run.js';
import { temporaryFolder } from './testing/tools.js';

function noise(width: number, height: number): RgbImage {
  const random = createRandom(`${width} × ${height}`);
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => random.integer(256)) };
}

const quantiles = Array.from({ length: 201 }, (_, i) => -400 + 2 * i);
const CALIBRATION: Calibration = {
  format: 'drf-calibration-2',
  checkpoint: 'step-3.safetensors',
  temperature: { temperature: 1.7, before: 1, after: 0.9, posts: 100, basis: 'fitted' },
  quality: { image: quantiles, text: quantiles, measuredOn: 'validation', posts: { image: 100, text: 100 } },
};

const POSTS: readonly PostContent[] = [
  { image: noise(32, 32), text: 'What a lovely day, I am so happy!' },
  { image: null, text: 'terrible 😀😀 service… never again' },
  { image: noise(32, 32), text: null },
  { image: noise(32, 32), text: '  ' },
  { image: null, text: 'word '.repeat(500) },
];

describe('judging by an export', () => {
  let run: string;
  let out: string;
  let folder: string;
  let judges: readonly Judge[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drf-judge-export-'));
    const made = await makeEmbeddedRun(join(folder, 'run'), { fitted: true, model: { discriminants: 0.5 } });
    await writeCalibration(made, CALIBRATION);
    [run, out] = [made.path, join(folder, 'out')];
    await exportRun(run, { out });
    const two = join(folder, 'two');
    await exportRun(run, { out: two, batch: 2 });
    judges = await Promise.all([out, two].map((path) => openJudge(path)));
  }, 240_000);
  afterAll(async () => {
    for (const judge of judges) await judge.close();
    await rm(folder, { recursive: true });
  });

  it('judges by the folder of an ensemble as by its members together', async () => {
    const listed = judges.flatMap(({ info }) => info.sources).map(({ folder: member, sha256 }) => ({ folder: member, sha256 })); // prettier-ignore
    await writeEnsemble(folder, listed);
    const [ensemble, together] = await Promise.all([openJudge(folder), openJudge(listed.map((own) => own.folder))]);
    expect(ensemble.info).toEqual(together.info);
    const [post] = POSTS as [PostContent];
    expect(await ensemble.judge(post)).toEqual(await together.judge(post));
    await Promise.all([ensemble.close(), together.close()]);
    await writeEnsemble(folder, [...listed.slice(1), { folder: out, sha256: '0'.repeat(64) }]);
    await expect(openJudge(folder)).rejects.toThrow('as ensemble.json lists them');
  });

  it('agrees with the run to 1e-4, with any batch and with a fixed one', { timeout: 60_000 }, async () => {
    const byRun = await openJudge(run);
    expect([byRun, ...judges].map(({ info }) => info.sources.map(({ kind }) => kind))).toEqual([['run'], ['export'], ['export']]); // prettier-ignore
    for (const judge of judges) {
      expect([judge.info.classes, judge.info.imageSize, judge.info.calibration]).toEqual([byRun.info.classes, 32, CALIBRATION]); // prettier-ignore
      expect(judge.info.sources[0]?.checkpoint).toBe('step-3.safetensors');
    }
    for (const post of POSTS) {
      const expected = await byRun.judge(post);
      expect([expected.intact.image === null, expected.intact.text === null]).toEqual([post.image === null, post.text?.trim() !== '' ? post.text === null : true]); // prettier-ignore
      for (const received of await Promise.all(judges.map((judge) => judge.judge(post)))) {
        expect(Object.keys(received)).toEqual(Object.keys(expected));
        expect([received.label, received.recovered, received.unfamiliar]).toEqual([expected.label, expected.recovered, expected.unfamiliar]); // prettier-ignore
        for (const part of ['probabilities', 'quality', 'intact', 'pairWeights'] as const) {
          for (const [name, value] of Object.entries(expected[part] ?? {}) as [string, number | null][]) {
            const own = (received[part] as Readonly<Record<string, number | null>>)[name];
            if (value === null) expect(own).toBeNull();
            else expect(Math.abs((own as number) - value), `${part} ${name}`).toBeLessThan(1e-4);
          }
        }
      }
    }
    await expect((judges[0] as Judge).judge({ image: null, text: ' ' })).rejects.toThrow('The post expected text or an image, or both, received neither'); // prettier-ignore
    await byRun.close();
  });

  it('explains as the run does, by any judge of it', { timeout: 60_000 }, async () => {
    const post = { image: noise(32, 32), text: 'What a lovely day' };
    const byRun = await openJudge(run);
    const both = await openJudge([run, out]);
    const [expected, byExport, byBoth] = [byRun, judges[0] as Judge, both].map((judge) => explain(judge, post, { grid: [2, 2] })); // prettier-ignore
    const { label, words, regions, modalities } = (await expected) as Explanation;
    expect([words.map(({ word }) => word), regions.length]).toEqual([['What', 'a', 'lovely', 'day'], 4]);
    const changes = [...words, ...regions].map(({ change }) => change.probability);
    expect(changes.some((change) => change !== 0)).toBe(true);
    for (const other of [byExport, byBoth]) {
      const received = (await other) as Explanation;
      expect(received.label).toBe(label);
      const own = [...received.words, ...received.regions].map(({ change }) => change.probability);
      own.forEach((change, i) => expect(Math.abs(change - (changes[i] as number))).toBeLessThan(2e-4));
      const text = (received.modalities.text?.probability as number) - (modalities.text?.probability as number);
      expect(Math.abs(text)).toBeLessThan(2e-4);
    }
    await byRun.close();
    await both.close();
  });

  async function damaged(change: (folder: string) => Promise<unknown>): Promise<unknown> {
    const folder = join(await temporaryFolder(), 'damaged');
    await cp(out, folder, { recursive: true });
    await change(folder);
    return openJudge(folder);
  }
  const editCard = (edit: (card: Record<string, unknown>) => void) => async (folder: string) => {
    const path = join(folder, 'card.json');
    const card = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    edit(card);
    await writeFile(path, JSON.stringify(card));
  };

  it.each<[string, (folder: string) => Promise<unknown>, RegExp]>([
    ['no model', (folder) => rm(join(folder, 'model.onnx')), /model.onnx expected .*, received/],
    ['a cut-off model', async (folder) => writeFile(join(folder, 'model.onnx'), 'cut'), /model.onnx expected the \d+ bytes that card.json describes, received 3 bytes; restore the folder, or export the run again/],
    ['no word pieces', (folder) => rm(join(folder, 'vocabulary.json')), /vocabulary.json expected/],
    ['other word pieces', async (folder) => writeFile(join(folder, 'vocabulary.json'), '[1]'), /vocabulary.json expected a list of word pieces, \[piece, score\], received something else/],
    ['a broken card', async (folder) => writeFile(join(folder, 'card.json'), '{'), /card.json expected valid JSON/],
    ['a card of another program', async (folder) => writeFile(join(folder, 'card.json'), '{"format":"x"}'), /card.json expected format drf-onnx-1, received "x"; export the run again/],
    ['a card with parts lost', editCard((card) => delete card['labels']), /card.json expected the card of an export, received one of an earlier version, or a damaged one \(labels: /],
    ['a card with a class twice', editCard((card) => void Object.assign(card, { labels: ['a', 'a', 'b'] })), /damaged one \(labels: a name occurs twice\)/],
    ['a card with more classes than its model', editCard((card) => void Object.assign(card, { labels: [...(card.labels as string[]), 'more'] })), /card.json expected \d+ labels, as its model has probabilities/],
    ['a card without files', editCard((card) => void Object.assign(card, { files: null })), /damaged one \(files: /],
    ['a card whose file is null', editCard((card) => void Object.assign(card, { files: [null] })), /damaged one \(files: /],
    ['a card of a size beyond memory', editCard((card) => void Object.assign((card['files'] as Record<string, object>)['model.onnx'] as object, { batch: 1e12 })), /damaged one \(files.model.onnx.batch: /],
    ['another opset', editCard((card) => void ((card['files'] as Record<string, { opset: number }>)['model.onnx'] as { opset: number }).opset++), /card.json expected opset 17, received opset 18; export the run again by this version/],
    ['a damaged calibration', editCard((card) => void ((card as Record<string, unknown>)['calibration'] = { format: 'drf-calibration-2' })), /card.json expected a calibration of format drf-calibration-2, received a damaged one/],
    ['a vocabulary elsewhere', editCard((card) => void ((card['preprocessing'] as { text: { vocabulary: string } }).text.vocabulary = '../../secret.json')), /secret.json expected a list of word pieces/],
  ])('refuses %s', async (_, change, message) => {
    await expect(damaged(change)).rejects.toThrow(message);
  }); // prettier-ignore

  it('judges together with the run, and with nothing that does not fit', { timeout: 60_000 }, async () => {
    const ensemble = await openJudge([run, out]);
    const [byRun, byExport] = [await openJudge(run), judges[0] as Judge];
    expect(ensemble.info).toMatchObject({
      name: 'run + run',
      imageSize: 32,
      calibration: null,
      classes: byRun.info.classes,
    });
    expect(ensemble.info.sources).toEqual([...byRun.info.sources, ...byExport.info.sources]);
    for (const post of POSTS) {
      const [both, first, second] = [await ensemble.judge(post), await byRun.judge(post), await byExport.judge(post)];
      for (const [name, p] of Object.entries(both.probabilities)) {
        expect(p).toBe(((first.probabilities[name] as number) + (second.probabilities[name] as number)) / 2);
      }
      expect(both.label).toBe(first.label);
    }
    await ensemble.close();
    await byRun.close();
    const other = await makeEmbeddedRun(join(folder, 'other'), { imageSize: 64 });
    await expect(openJudge([run, other.path])).rejects.toThrow('Ensemble, member other, expected images of 32 pixels, as run reads them, received 64; leave it out'); // prettier-ignore
    await expect(openJudge([run, out], { checkpoint: 'step-3' })).rejects.toThrow('openJudge expected a checkpoint with one run only, received step-3 for 2 folders'); // prettier-ignore
    await expect(openJudge([])).rejects.toThrow(
      'openJudge expected the folder of a run or of an export, received none',
    );
  });

  it('leaves neither engine nor checkpoint open', async () => {
    await expect(openJudge(out, { engine: 'eager:cpu' })).rejects.toThrow(
      /expected neither a checkpoint nor an eager engine: it holds one model, for ONNX Runtime, received engine eager:cpu/,
    );
    await expect(openJudge(out, { checkpoint: 'x' })).rejects.toThrow(/received checkpoint x; leave it out/);
  });
});

describe('exports that read features', () => {
  it('are refused with what to do', async () => {
    const folder = await temporaryFolder();
    const run = await makeTinyRun(join(folder, 'run'));
    const out = join(folder, 'out');
    await exportRun(run.path, { out, headOnly: true });
    await expect(openJudge(out)).rejects.toThrow(
      /card.json expected a model.onnx, which reads images and texts, received an export of head.onnx alone, which reads features; export the run again without --head-only; where its encoders cannot be exported, judge by the run itself/,
    );
  });
});
