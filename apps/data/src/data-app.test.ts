import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadSplits, type Inspection } from '@drf/datasets';
import { readManifest } from '@drf/disruption/manifest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SplitCheck } from './inspection-tables.js';
import { createDataProgram } from './program.js';
import { parseFractions } from './split-command.js';
import type { StreamMeasurement } from './stream-command.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-data-app-'));
  const rows = Array.from({ length: 40 }, (_, i) => `${i},text ${i % 36},${i % 4 === 0 ? 'calm' : 'happy'}`);
  await writeFile(join(folder, 'posts.csv'), ['id,text,label', ...rows, '40,,calm', ''].join('\n'));
  await writeFile(
    join(folder, 'val.json'),
    '[{"id":1,"text":"x","label":"happy"},{"id":4,"text":"x","label":"happy"},{"id":40,"label":"calm"}]',
  );
  await writeFile(join(folder, 'train.json'), '["0", "37"]');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a command line prints to standard output. */
async function output(...args: readonly string[]): Promise<string> {
  let printed = '';
  const program = createDataProgram((text) => void (printed += text));
  await program.parseAsync([...args, '--quiet'], { from: 'user' });
  return printed;
}

const posts = (): string[] => ['--dataset', 'posts', '--file', join(folder, 'posts.csv')];
const splitFiles = (): string[] => ['--split', join(folder, 'train.json'), '--split', join(folder, 'val.json')];

describe('data inspect', () => {
  it('prints ledger, classes, how split files fit, and duplicates across them', async () => {
    const text = await output('inspect', ...posts(), ...splitFiles());
    expect(text).toMatch(/│ kept +│ +40 │/);
    expect(text).toMatch(/│ dropped: missing image and text │ +1 │ 40 /);
    expect(text).toMatch(
      /val.json: 2 of 3 posts found; not in the data set: 40 \(missing image and text\); 1 of 2 labels DISAGREE \(4: calm here, happy there\)/,
    );
    expect(text).toMatch(/│ data set │ 10 \(25.0 %\) │ 30 \(75.0 %\) │ +40 │/);
    expect(text).toMatch(/Exact duplicates in these splits: 1 texts, 0 images, 0 whole posts/);
    expect(text).toMatch(/│ train +│ val +│ +1 │ +0 │ +0 │ +2 │/); // text 1 is that of 1 and of 37
  });

  it('lists every dropped row when told', async () => {
    expect(await output('inspect', ...posts(), '--list')).toContain(
      '  40: missing image and text: posts.csv, line 42 expected text or an image, or both, received neither;',
    );
    expect(await output('inspect', ...posts())).not.toContain('posts.csv, line 42');
  });

  it('prints JSON and nothing else', async () => {
    const report = JSON.parse(await output('inspect', ...posts(), ...splitFiles(), '--json')) as Inspection & {
      readonly splitFiles: readonly SplitCheck[];
    };
    expect(report).toMatchObject({ dataset: 'posts', posts: 40, classes: { calm: 10, happy: 30 } });
    expect(report.ledger).toMatchObject({ rows: 41, kept: 40, dropped: 1 });
    expect(report.splitFiles.map(({ found, disagreements }) => [found, disagreements.length])).toEqual([[2, 0], [2, 1]]); // prettier-ignore
  });
});

describe('data split', () => {
  it('writes split files, duplicates and ledger, and never overwrites unasked', async () => {
    const out = join(folder, 'splits');
    const args = ['split', ...posts(), '--out', out, '--fractions', 'train=0.75,test=0.25', '--seed', '7'];
    const text = await output(...args);
    expect(text).toMatch(/│ train │ +8 │ +22 │ +30 │|│ train │ +7 │ +23 │ +30 │/);
    const splits = await loadSplits(out);
    expect(Object.entries(splits).map(([name, ids]) => [name, ids.length])).toEqual([['test', 10], ['train', 30]]); // prettier-ignore
    expect(JSON.parse(await readFile(join(out, 'ledger.json'), 'utf8'))).toMatchObject({ kept: 40 });
    expect(JSON.parse(await readFile(join(out, 'duplicates.json'), 'utf8'))).toMatchObject({ texts: { surplus: 4 } });
    await expect(output(...args)).rejects.toThrow(
      `data split --out expected a folder without such files, received one that holds ${join(out, 'train.json')}; name another folder, or pass --force to overwrite`,
    );
    await output(...args, '--force');
    expect(await loadSplits(out)).toEqual(splits);
  });

  it('reads fractions by name', () => {
    expect(parseFractions('train=0.8, val=0.2')).toEqual({ train: 0.8, val: 0.2 });
    expect(() => parseFractions('0.8,0.2')).toThrow('expected such as train=0.8,val=0.1,test=0.1, received "0.8,0.2"');
  });
});

describe('data show', () => {
  it('prints a post, or why there is none', async () => {
    expect(await output('show', '7', ...posts())).toMatch(/^id: +7\nlabel: +happy\nsplit: +missing\ntext: +text 7\n/);
    await expect(output('show', '40', ...posts())).rejects.toThrow(
      /expected a post with id 40, received one that was dropped: posts.csv, line 42/,
    );
    await expect(output('show', '99', ...posts())).rejects.toThrow(/expected a post with id 99, received none/);
  });
});

describe('data disrupt', () => {
  it('writes a manifest of what a strategy does to the posts that have both modalities', async () => {
    const file = join(folder, 'manifest.jsonl');
    const make = async (strategy: string): Promise<Record<string, unknown>> =>
      JSON.parse(await output('disrupt', '--strategy', strategy, '--seed', '3', '--out', file, '--json')) as Record<
        string,
        unknown
      >;
    const facts = await make('random:0.5:typos@2');
    const { header, entries } = await readManifest(file);
    expect(facts).toMatchObject({ posts: 840, disrupted: entries.length });
    expect(entries).toHaveLength(Math.round((facts['whole'] as number) / 2));
    expect(header).toMatchObject({ seed: 3, imageSize: { width: 224, height: 224 } });
    expect(entries[0]).toMatchObject({ corruption: 'typos', severity: 2 });
    await make('missing:image=0.25:text=0.25');
    expect((await readManifest(file)).entries.every(({ operation }) => operation === 'discard')).toBe(true);
    await expect(make('fixed:image:typos@2')).rejects.toThrow('typos, which corrupts texts');
    await expect(make('missing:image=0.9:text=0.2')).rejects.toThrow('a post that misses both modalities says nothing');
  });
});

describe('data corruptions', () => {
  it('draws a post under every corruption and severity, the same each time', async () => {
    const sheet = async (...args: readonly string[]): Promise<Buffer> => {
      const file = join(folder, 'sheet.png');
      expect(await output('corruptions', ...args, '--out', file)).toContain('under 12 corruptions');
      return readFile(file);
    };
    const bytes = await sheet('--image-size', '64');
    expect([...bytes.subarray(1, 4)].map((byte) => String.fromCharCode(byte)).join('')).toBe('PNG');
    expect(await sheet('--image-size', '64')).toEqual(bytes);
    expect(await sheet('--image-size', '64', '--seed', '1')).not.toEqual(bytes);
    await expect(output('corruptions', 'no such', '--out', join(folder, 'x.png'))).rejects.toThrow(
      'expected a post with id no such',
    );
  });
});

describe('data stream', () => {
  it('measures reading a data set, or generated posts', async () => {
    const measure = async (...args: readonly string[]) =>
      JSON.parse(await output('stream', ...args, '--json')) as StreamMeasurement;
    expect(await measure(...posts(), '--batch-size', '7')).toMatchObject({
      dataset: 'posts',
      posts: 40,
      batches: 6,
      rowErrors: 0,
    });
    const generated = await measure('--generate', '200', '--image-size', '16', '--limit', '100', '--shuffle', '3');
    expect(generated).toMatchObject({ dataset: 'generated', posts: 100, batches: 7 });
    expect(generated.postsPerSecond).toBeGreaterThan(1);
    expect(generated.peakMemory).toBeGreaterThan(10);
  });
});

const root = fileURLToPath(new URL('../../../../shared/data/mvsa-single', import.meta.url));
const repository = fileURLToPath(new URL('../../..', import.meta.url));

describe('the data command', () => {
  it.skipIf(!existsSync(root))('inspects real MVSA-Single (skipped where ../shared is absent)', async () => {
    const report = JSON.parse(
      await output('inspect', '--dataset', 'mvsa-single', '--root', root, '--split', join(root, 'val.json'), '--json'),
    ) as Inspection & { readonly splitFiles: readonly SplitCheck[] };
    expect(report.ledger).toMatchObject({ rows: 4869, kept: 4061, dropped: 808 });
    expect(report.ledger.reasons.map(({ reason, count }) => [reason, count])).toEqual([
      ['conflicting labels', 358],
      ['missing image and text', 450],
    ]);
    expect(report.splitFiles[0]).toMatchObject({ ids: 450, found: 450, comparedLabels: 450, disagreements: [] });
  });

  it('names what is wrong on standard error and exits with 2 or 1', async () => {
    const run = async (...args: string[]) => {
      const loader = ['--conditions=source', '--import', './scripts/from-source.mjs', 'apps/data/src/main.ts'];
      const result = await promisify(execFile)(process.execPath, [...loader, ...args], { cwd: repository }).catch(
        (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error,
      );
      return { code: 'code' in result ? result.code : 0, stdout: result.stdout, stderr: result.stderr };
    };
    const [unknown, absent] = await Promise.all([
      run('inspect', '--dataset', 'mvsa-singel'),
      run('inspect', '--dataset', 'mvsa-single', '--root', '/no/such'),
    ]);
    expect([unknown.code, unknown.stdout]).toEqual([2, '']);
    expect(unknown.stderr).toContain('did you mean "mvsa-single"?');
    expect([absent.code, absent.stdout]).toEqual([1, '']);
    expect(absent.stderr).toMatch(/^error: Opening mvsa-single expected a folder \/no\/such\/data/);
  });
});
