import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it, onTestFinished } from 'vitest';
import { writeJsonAtomic } from '@drf/files';
import { parseExperiment } from '../parse.js';
import { RunFolder, type RunDescription } from '../run-folder.js';
import { escapeMarkdown } from './markdown.js';
import { modelCard, writeModelCard, type ModelCardFacts } from './model-card.js';

interface FrontMatter {
  readonly license: string;
  readonly base_model?: readonly string[];
  readonly 'model-index'?: readonly { name: string; results: readonly { metrics: readonly { value: number; type: string; name: string }[] }[] }[]; // prettier-ignore
}

/** The front matter as Python's YAML 1.1 and others' YAML 1.2 read it, and the rest. */
function parts(card: string): { readonly front: FrontMatter; readonly body: string } {
  const [, yaml = '', body = ''] = /^---\n([^]*?)\n---\n([^]*)$/.exec(card) ?? [];
  const front = parse(yaml) as FrontMatter;
  expect(parse(yaml, { version: '1.1' })).toEqual(front);
  return { front, body };
}

function description(changes: Partial<RunDescription> = {}): RunDescription {
  return {
    config: parseExperiment(
      { name: 'mine', dataset: { name: 'posts', file: '/home/someone/secret/posts.csv' } },
      'test',
    ),
    classes: ['good', 'bad'],
    encoders: { image: 'embedded:a:b', text: 'huggingface:text:someone/bert:0123:mean:v1' },
    shapes: { imageDim: 4, textDim: 4, classes: 2 },
    posts: { train: [8, 4], val: [2, 1], test: [3, 0] },
    engine: 'eager:cpu',
    versions: { node: '', platform: '', packages: {}, git: null },
    createdAt: '2026-01-02T00:00:00.000Z',
    ...changes,
  };
}

const best = { checkpoint: 'step-9.safetensors', epoch: 2, step: 9, score: 2 / 3, validation: { posts: 3, accuracy: 2 / 3 }, selection: 'best-accuracy' } as const; // prettier-ignore

function facts(changes: Partial<ModelCardFacts> = {}): ModelCardFacts {
  return { name: 'mine-drf-seed0', description: description(), best, ledger: undefined, calibration: [], evaluations: [], ...changes }; // prettier-ignore
}

function evaluation(split: string, accuracies: Readonly<Record<string, number>>, checkpoint: string = best.checkpoint) {
  const report = { count: 10, weightedF1: 0.5, macroF1: 0.4, majorityAccuracy: 0.6 };
  return {
    run: { checkpoint },
    evaluation: { dataset: 'posts', split, posts: 10 },
    cells: Object.entries(accuracies).map(([cell, accuracy]) => ({ cell, kind: cell === 'clean' ? 'none' : 'modality-fixed', report: { ...report, accuracy } })), // prettier-ignore
    missingCells: [] as string[],
  };
}

describe('model card', () => {
  it('says what the run knows of itself', async () => {
    const { front, body } = parts(await modelCard(facts({ evaluations: [evaluation('test', { clean: 0.8, 'fixed:image:D': 0.6, 'fixed:text:D': 0.4 })] }))); // prettier-ignore
    expect(front).toMatchObject({
      license: 'other',
      pipeline_tag: 'text-classification',
      base_model: ['someone/bert'],
    });
    expect(front['model-index']?.[0]).toMatchObject({ name: 'mine-drf-seed0' });
    expect(front['model-index']?.[0]?.results[0]?.metrics.map(({ value }) => value)).toEqual([0.8, 0.5, 0.4, 0.5]);
    expect(body).toContain('| good | 8 | 2 | 3 |\n| bad | 4 | 1 | 0 |\n| all | 12 | 3 | 3 |');
    expect(body).toMatch(/Validation accuracy: 66\.7 % of 3 posts \(95 % interval: 20\.8 to 93\.9 %\)/);
    expect(body).toContain('| `fixed:text:D` | 40.0 | 16.8 to 68.7 | 50.0 | 40.0 |');
    expect(body).toMatch(/## Licenses[^]*nsfwjs \(MIT\)[^]*`someone\/bert` of the Hugging Face hub[^]*@inproceedings/);
    expect(body).not.toContain('/home/someone'); // folders of the trainer's machine are nobody's business
  });

  it('keeps names of classes and experiments from being read as YAML, tags, links or cells', async () => {
    const hostile = ['a\n---\nlicense: mit', '<script>alert(1)</script>', '[x](javascript:alert(1))', 'p|q', '# head', 'http://evil.example', '`code`', '\u202eabc', 'no', '- item', '&lt;b&gt;']; // prettier-ignore
    const posts = { train: hostile.map(() => 1), val: hostile.map(() => 0), test: hostile.map(() => 0) };
    const name = 'x"\n---\nlicense: mit\nno: "yes';
    const { front, body } = parts(await modelCard(facts({ name, description: description({ classes: hostile, posts }), evaluations: [{ ...evaluation('te"st: x\n---', { clean: 0.5 }) }] }))); // prettier-ignore
    expect(front.license).toBe('other');
    expect(Object.keys(front)).not.toContain('no');
    expect(front['model-index']?.[0]?.name).toBe(name);
    expect(body).not.toMatch(/(^|[^\\])<script|(^|[^\\])\]\(|^\s*#\s*head|http:\/\/evil|\u202e/m);
    const lines = body.split('\n').filter((line) => /^\|.*\| 1 \| 0 \| 0 \|$/.test(line));
    expect(lines).toHaveLength(hostile.length); // each name is one cell of one row
    expect(lines.map((line) => line.replaceAll('\\|', '').split('|')).every((cells) => cells.length === 6)).toBe(true);
    expect(body.match(/^```(sh|ts|bibtex)?$/gm)).toHaveLength(6);
  });

  it('is written anew from the folder, unless somebody made it their own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-card-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const run = await RunFolder.create(join(folder, 'run'), { overwrite: false });
    await run.writeDescription(description());
    await run.writeBest(best);
    await writeJsonAtomic(run.file('ledger.json'), { rows: 20, kept: 18, reasons: [{ reason: 'missing image', count: 2 }] }); // prettier-ignore
    const path = run.file('README.md');
    expect(await writeModelCard(run)).toBe(path);
    expect(await readFile(path, 'utf8')).toMatch(
      /Of 20 rows, 18 were kept; left out: missing image 2\.[^]*not evaluated/,
    );
    await writeJsonAtomic(run.file('eval', 'test', 'results.json'), evaluation('test', { clean: 0.7 }));
    await writeJsonAtomic(
      run.file('eval', 'val', 'results.json'),
      evaluation('val', { clean: 0.9 }, 'step-1.safetensors'),
    );
    await writeJsonAtomic(run.file('eval', 'odd', 'results.json'), { something: 'else' });
    await writeJsonAtomic(run.file('eval', 'part', 'results.json'), { ...evaluation('part', { clean: 0.9 }), missingCells: ['x'] }); // prettier-ignore
    await writeModelCard(run);
    const card = await readFile(path, 'utf8');
    expect(parts(card).front['model-index']?.[0]?.results).toHaveLength(1);
    expect(card.match(/^Split /gm)).toHaveLength(1);
    await writeFile(path, card.replace(/<!--.*-->/, '').replace('license: "other"', 'license: mit'));
    expect(await writeModelCard(run)).toBeNull();
    expect(await readFile(path, 'utf8')).toContain('license: mit');
  });
});

it('escapes what Markdown would read', () => {
  expect(escapeMarkdown('a_b *c* [d]')).toBe('a\\_b \\*c\\* \\[d\\]');
  expect(escapeMarkdown('plain words, 12 %.')).toBe('plain words, 12 %.');
  expect(escapeMarkdown('1. x')).toBe('&#8203;1. x');
});
