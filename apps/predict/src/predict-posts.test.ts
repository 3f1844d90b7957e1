import { appendFile, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { postHash } from '@drf/datasets';
import type { Judgment, PostContent } from '@drf/judge';
import { DataError } from '@drf/tensor';
import { predictPosts, type PredictOptions } from './predict-posts.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-predict-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

function verdict({ text }: PostContent): Judgment {
  const length = (text ?? '').length;
  const positive = 1 / (1 + length);
  return {
    label: positive > 0.1 ? 'positive' : 'negative',
    probabilities: { positive, negative: 1 - positive },
    quality: { image: null, text: text === null ? null : 0.25 },
    logDensity: { image: null, text: text === null ? null : -1 },
    pairWeights: null,
    recovered: text === null ? 'text' : null,
    unfamiliar: text === null ? null : length > 15,
  };
}

const source = { kind: 'run', folder: '/runs/a', checkpoint: 'step-1.safetensors', sha256: '0' } as const;
const judge: PredictOptions['judge'] = {
  info: { classes: ['positive', 'negative'], imageSize: 4, engine: 'none', sources: [source] },
  judge: (post: PostContent) => Promise.resolve(verdict(post)),
};

const COUNT = 200;

async function input(): Promise<string> {
  const lines = Array.from({ length: COUNT }, (_, i) => {
    if (i === 7) return '{"id":"seven"}'; // neither text nor image
    if (i === 150) return 'not JSON';
    return JSON.stringify({ id: `post ${i}`, text: 'x'.repeat(1 + (i % 20)) });
  });
  const path = join(folder, 'posts.jsonl');
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

async function run(options: Partial<PredictOptions> & { readonly out: string }) {
  return predictPosts({ judge, input: join(folder, 'posts.jsonl'), resume: false, overwrite: false, ...options });
}

const out = (name: string): string => join(folder, name);

describe('predictPosts', () => {
  it('judges every row, in order, and lists in a side file what could not be judged', async () => {
    await input();
    const result = await run({ out: out('a.jsonl') });
    expect(result).toMatchObject({ outcome: 'finished', rows: COUNT, rejected: out('a.jsonl.rejected.jsonl') });
    expect(result.counts).toEqual({
      judged: 198,
      rejected: 2,
      unfamiliar: 50,
      labels: { positive: 79, negative: 119 },
      seen: { train: 0, val: 0, test: 0 },
    });
    const rows = (await readFile(out('a.jsonl'), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as { row: number; id: string }); // prettier-ignore
    expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1).filter((row) => row !== 8 && row !== 151)); // prettier-ignore
    expect(rows[0]).toEqual({ row: 1, line: 1, id: 'post 0', seen: null, input: { id: 'post 0', text: 'x' }, ...verdict({ image: null, text: 'x' }) }); // prettier-ignore
    const rejected = (await readFile(out('a.jsonl.rejected.jsonl'), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as unknown); // prettier-ignore
    expect(rejected).toEqual([
      { row: 8, id: 'seven', reason: 'missing image and text', detail: expect.stringMatching(/^posts.jsonl, line 8 expected text or an image/) },
      { row: 151, id: 'posts.jsonl, line 151', reason: 'bad row', detail: expect.stringContaining('expected a JSON object') },
    ]); // prettier-ignore
    expect((await readdir(folder)).sort()).toEqual(['a.jsonl', 'a.jsonl.rejected.jsonl', 'posts.jsonl']);
  });

  it('gives the same output when it is interrupted, loses its last lines in a crash, and goes on', async () => {
    await input();
    await run({ out: out('whole.jsonl') });
    const controller = new AbortController();
    const stopped = await run({
      out: out('parts.jsonl'),
      signal: controller.signal,
      onProgress: (done) => void (done === 90 && controller.abort()),
    });
    expect(stopped).toMatchObject({ outcome: 'interrupted', rows: 90, counts: null });
    const spool = out('parts.jsonl.partial.jsonl');
    const lines = (await readFile(spool, 'utf8')).split('\n');
    await writeFile(spool, lines.slice(0, 70).join('\n')); // line 70 lost its end
    await appendFile(spool, '');
    const seen: number[] = [];
    const resumed = await run({ out: out('parts.jsonl'), resume: true, onProgress: (done) => void seen.push(done) });
    expect([resumed.outcome, seen[0], seen.at(-1)]).toEqual(['finished', 70, COUNT]);
    expect(await readFile(out('parts.jsonl'), 'utf8')).toBe(await readFile(out('whole.jsonl'), 'utf8'));
    expect(await readFile(out('parts.jsonl.rejected.jsonl'), 'utf8')).toBe(await readFile(out('whole.jsonl.rejected.jsonl'), 'utf8')); // prettier-ignore
  });

  it('writes CSV and Parquet with the same columns and numbers', async () => {
    await input();
    await run({ out: out('a.csv') });
    await run({ out: out('a.parquet') });
    const [head, first] = (await readFile(out('a.csv'), 'utf8')).split('\r\n');
    expect(head).toBe(
      'row,line,id,seen,input_id,text,label,recovered,unfamiliar,quality_image,quality_text,weight_original,weight_imageAndRecoveredText,' +
        'weight_recoveredImageAndText,probability_positive,probability_negative',
    );
    expect(first).toBe('1,1,post 0,,post 0,x,positive,,false,,0.25,,,,0.5,0.5');
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(out('a.parquet')) });
    expect(rows).toHaveLength(198);
    expect(Object.keys(rows[0] as object).join(',')).toBe(head);
    expect(rows[1]).toMatchObject({ row: 2, id: 'post 1', quality_image: null, quality_text: 0.25, unfamiliar: false });
    expect(rows[1]?.['probability_positive']).toBe(1 / 3);
  });

  it('carries the input’s own columns, under other names where ours are called so, whatever rows have them', async () => {
    const rows = [
      { nr: 7, body: '=1+1', mood: 'glad', label: 'happy' },
      { nr: '008', body: 'two', extra: { deep: [1] }, likes: 3.5 },
      { body: 'three', mood: null, nr: true },
    ];
    await writeFile(join(folder, 'own.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    const options = { input: join(folder, 'own.jsonl'), columns: { text: 'body' } };
    for (const name of ['a.jsonl', 'a.csv', 'a.parquet']) await run({ ...options, out: out(name) });
    const lines = (await readFile(out('a.jsonl'), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as { input: object; line: number }); // prettier-ignore
    expect(lines.map(({ input: own }) => own)).toEqual(rows);
    expect(lines.map(({ line }) => line)).toEqual([1, 2, 3]);
    const [head] = (await readFile(out('a.csv'), 'utf8')).split('\r\n');
    expect(head).toMatch(/^row,line,id,seen,nr,body,mood,input_label,extra,likes,label,/);
    const parquet = await parquetReadObjects({ file: await asyncBufferFromFile(out('a.parquet')) });
    expect(parquet.map((row) => [row['nr'], row['mood'], row['input_label'], row['extra'], row['likes']])).toEqual([
      ['7', 'glad', 'happy', null, null],
      ['008', null, null, '{"deep":[1]}', '3.5'],
      ['true', null, null, null, null],
    ]);
  });

  it('carries columns of CSV and Parquet, and says where rows stand in them', async () => {
    await writeFile(join(folder, 'own.csv'), 'nr,text,mood\n007,"a\nb",glad\n008,c,\n');
    await run({ input: join(folder, 'own.csv'), out: out('a.csv') });
    const written = (await readFile(out('a.csv'), 'utf8')).split('\r\n');
    expect(written[0]).toMatch(/^row,line,id,seen,nr,text,mood,label,/);
    expect(written[1]).toMatch(/^1,2,"own.csv, line 2",,007,"a\nb",glad,/);
    expect(written[2]).toMatch(/^2,4,"own.csv, line 4",,008,c,,/);
    await run({ input: join(folder, 'own.csv'), out: out('a.parquet') });
    await run({ input: out('a.parquet'), out: out('again.jsonl') }); // what came out goes in
    const [first] = (await readFile(out('again.jsonl'), 'utf8')).split('\n').map((line) => JSON.parse(line || 'null') as { line: number; input: Record<string, unknown> }); // prettier-ignore
    expect(first).toMatchObject({ line: 1, id: 'own.csv, line 2', input: { nr: '007', text: 'a\nb', mood: 'glad', unfamiliar: false, probability_positive: 0.25 } }); // prettier-ignore
  });

  it('says which posts the run knows, by their content', async () => {
    await writeFile(join(folder, 'own.csv'), 'id,text\n1,known \n2,new\n3,tested\n');
    const seen = new Map([[postHash('known', null), 'train'], [postHash('tested', null), 'test']] as const); // prettier-ignore
    const { counts } = await run({ input: join(folder, 'own.csv'), out: out('a.csv'), seen });
    const written = (await readFile(out('a.csv'), 'utf8')).split('\r\n');
    expect(written.slice(1, 4).map((line) => line.split(',')[3])).toEqual(['train', '', 'test']);
    expect(counts?.seen).toEqual({ train: 1, val: 0, test: 1 });
  });

  it('rejects a post that the model gives no numbers for, and goes on', async () => {
    await writeFile(join(folder, 'own.csv'), 'id,text\n1,fine\n2,lovely\n3,fine too\n');
    const broken = {
      ...judge,
      judge: (post: PostContent) =>
        post.text === 'lovely'
          ? Promise.reject(new DataError({ subject: 'The text encoder tiny', expected: 'finite numbers', received: 'NaN at place 0' })) // prettier-ignore
          : Promise.resolve(verdict(post)),
    };
    const { counts, rejected } = await run({ input: join(folder, 'own.csv'), out: out('a.csv'), judge: broken });
    expect(counts).toMatchObject({ judged: 2, rejected: 1 });
    const line = JSON.parse(await readFile(rejected as string, 'utf8')) as unknown;
    expect(line).toEqual({ row: 2, id: '2', reason: 'not judged', detail: 'The text encoder tiny expected finite numbers, received NaN at place 0' }); // prettier-ignore
    expect((await readFile(out('a.csv'), 'utf8')).split('\r\n').map((row) => row.split(',')[0])).toEqual(['row', '1', '3', '']); // prettier-ignore
  });

  it('refuses an output that exists, an unfinished job, another job’s rest, and an unknown ending', async () => {
    const path = await input();
    await run({ out: out('a.jsonl') });
    await expect(run({ out: out('a.jsonl') })).rejects.toThrow(/expected a file that does not exist yet, received one that does/); // prettier-ignore
    await expect(run({ out: out('b.txt') })).rejects.toThrow(
      /--out expected a file that ends in .jsonl, .csv, .parquet/,
    );
    await expect(run({ out: out('b.jsonl'), resume: true })).rejects.toThrow(/--resume expected an unfinished job at .*b.jsonl.partial.json, received none/); // prettier-ignore
    const signal = AbortSignal.abort();
    await run({ out: out('c.jsonl'), signal });
    await expect(run({ out: out('c.jsonl') })).rejects.toThrow(/expected no unfinished job.*--resume, or start anew with --overwrite/); // prettier-ignore
    await expect(run({ out: out('c.jsonl'), resume: true, judge: { ...judge, info: { ...judge.info, sources: [{ ...source, folder: '/runs/b' }] } } })).rejects.toThrow(/--resume, run, expected what the unfinished job has: "\/runs\/a", received "\/runs\/b"/); // prettier-ignore
    await appendFile(path, '{"text":"one more"}\n');
    await expect(run({ out: out('c.jsonl'), resume: true })).rejects.toThrow(/--resume, inputBytes, expected/);
    expect((await run({ out: out('c.jsonl'), overwrite: true })).counts?.judged).toBe(199);
  });

  it('never replaces its own input, under whatever name', async () => {
    const path = await input();
    const before = await readFile(path, 'utf8');
    await symlink(path, out('link.jsonl'));
    for (const name of ['posts.jsonl', 'link.jsonl']) {
      const message = /--out .* expected another file than the input, received the input itself/;
      await expect(run({ out: out(name), overwrite: true })).rejects.toThrow(message);
    }
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it.each<[string, Partial<PredictOptions>]>([
    ['root', { root: '/elsewhere' }],
    ['encoding', { encoding: 'gb18030' }],
    ['columns', { columns: { text: 'text' } }],
    ['engine', { judge: { ...judge, info: { ...judge.info, engine: 'another' } } }],
    ['sha256', { judge: { ...judge, info: { ...judge.info, sources: [{ ...source, sha256: 'trained anew' }] } } }],
  ])('goes on with a job of the same %s only', async (name, other) => {
    await input();
    await run({ out: out('a.jsonl'), signal: AbortSignal.abort() });
    await expect(run({ out: out('a.jsonl'), resume: true, ...other })).rejects.toThrow(`--resume, ${name}, expected`);
    expect((await run({ out: out('a.jsonl'), resume: true })).outcome).toBe('finished');
  });

  it.each(['null', '5', '[]', '{}'])('names a job whose file holds %s', async (text) => {
    await input();
    await run({ out: out('a.jsonl'), signal: AbortSignal.abort() });
    await writeFile(out('a.jsonl.partial.json'), text);
    await expect(run({ out: out('a.jsonl'), resume: true })).rejects.toThrow(
      /--resume, run, expected what the unfinished job has: nothing, as its file is damaged, received "\/runs\/a"/,
    );
  });

  it.each(['null', '{"label":"a"}', '{"lab', '[]'])('names a spooled row that holds %s', async (text) => {
    await input();
    await run({ out: out('a.jsonl'), signal: AbortSignal.abort() });
    await writeFile(out('a.jsonl.partial.jsonl'), `${text}\n`);
    await expect(run({ out: out('a.jsonl'), resume: true })).rejects.toThrow(
      /a.jsonl.partial.jsonl, line 1 expected a row of an unfinished job, received something else/,
    );
  });

  it('ends what was killed between its output and its end', async () => {
    await input();
    await run({ out: out('whole.jsonl') });
    await run({ out: out('a.jsonl'), signal: AbortSignal.abort() });
    await run({ out: out('b.jsonl') });
    await rename(out('b.jsonl'), out('a.jsonl')); // its spool is still there
    for (const name of ['a.jsonl.temporary', 'a.jsonl.rejected.jsonl.temporary']) await symlink(out('link'), out(name));
    const { counts } = await run({ out: out('a.jsonl'), resume: true });
    expect(counts).toMatchObject({ judged: 198, rejected: 2 });
    expect(await readFile(out('a.jsonl'), 'utf8')).toBe(await readFile(out('whole.jsonl'), 'utf8'));
    expect((await readdir(folder)).filter((name) => name.includes('partial') || name.includes('temporary') || name === 'link')).toEqual([]); // prettier-ignore
  });

  it('lets one program at a time write an output', async () => {
    await input();
    let second: Promise<unknown> | undefined;
    const onCounting = (): void => void (second ??= run({ out: out('a.jsonl'), overwrite: true }).catch((error: unknown) => error)); // prettier-ignore
    await run({ out: out('a.jsonl'), onCounting });
    expect(await second).toMatchObject({ message: expect.stringMatching(/--out .*a.jsonl expected one program at a time that writes it/) }); // prettier-ignore
    expect((await readFile(out('a.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(198);
    expect((await readdir(folder)).sort()).toEqual(['a.jsonl', 'a.jsonl.rejected.jsonl', 'posts.jsonl']);
  });

  it('says that there is no input, before it makes anything', async () => {
    await expect(run({ out: out('a.jsonl'), input: out('none.csv') })).rejects.toThrow(/Opening .*none.csv expected a file of posts/); // prettier-ignore
    expect(await readdir(folder)).toEqual([]);
  });
});
