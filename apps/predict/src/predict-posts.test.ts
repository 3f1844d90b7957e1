import { appendFile, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { postHash } from '@drf/datasets';
import type { Judgment, PostContent } from '@drf/judge';
import { fileHash } from '@drf/files';
import { DataError } from '@drf/tensor';
import { JobPlace } from './job.js';
import { predictPosts, type PredictOptions } from './predict-posts.js';
import { JUDGE as judge, NOBODY, SOURCE as source, verdict, writeInputs } from './testing/inputs.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-predict-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

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
  const shards = { shardPosts: 40, resume: false, overwrite: false };
  return predictPosts({ judge, input: join(folder, 'posts.jsonl'), ...shards, ...options });
}

/**
 * SHA-256, as far as it goes, of outputs and side files. But for `intact`, which came later, they are the bytes of a program
 * that judged row by row into one spool.
 */
const RECORDED: readonly (readonly [input: string, ending: string, whole: string, rejected: string])[] = [
  ['lines.jsonl', 'jsonl', '4f7941e493285a3e', '184545ca63d0e353'],
  ['lines.jsonl', 'csv', 'a18723d6f5a6d54c', '184545ca63d0e353'],
  ['lines.jsonl', 'parquet', '18d40b65c7ad8eaf', '184545ca63d0e353'],
  ['table.csv', 'jsonl', '4360a0f4c84193f8', 'c767e92b9e750df9'],
  ['table.csv', 'csv', 'f4c1c491bc24958a', 'c767e92b9e750df9'],
  ['table.csv', 'parquet', '9a0f36f9c2613cfd', 'c767e92b9e750df9'],
  ['posts', 'jsonl', '3ef501508455204f', '0464bc25e1f18e11'],
  ['posts', 'csv', 'b46dc68946954328', '0464bc25e1f18e11'],
  ['posts', 'parquet', 'eb24cd6db2472618', '0464bc25e1f18e11'],
  ['made.parquet', 'jsonl', 'be2f8c21a68c1a48', ''],
  ['made.parquet', 'csv', 'd014f3327d8491e8', ''],
  ['made.parquet', 'parquet', 'e4cbc0a0beb2aa7c', ''],
];

const severalAtOnce = (judgeOne: (post: PostContent) => Promise<Judgment>): typeof judge => ({
  info: { ...judge.info, preferredBatch: 16 },
  judge: judgeOne,
});

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

  it('gives the same output when it is interrupted, and goes on with what is not judged yet', async () => {
    await input();
    await run({ out: out('whole.csv') });
    const controller = new AbortController();
    const onProgress = (done: number): void => void (done >= 90 && controller.abort());
    const stopped = await run({ out: out('parts.csv'), signal: controller.signal, onProgress });
    expect(stopped).toMatchObject({ outcome: 'interrupted', rows: 80, counts: null });
    const cutOtherwise = run({ out: out('parts.csv'), shardPosts: 50 });
    await expect(cutOtherwise).rejects.toThrow(/parts.csv, parts, expected what the job .* has: 5, received 4; name the same run, --shard-posts/); // prettier-ignore
    const [first] = await readdir(out('parts.csv.partial'));
    expect(first).toBe('_job');
    await rm(out('parts.csv.partial/part-00001.jsonl')); // a disk lost it
    const seen: number[] = [];
    const parts: unknown[] = [];
    const onGoing = (done: number, _total: number | null, shards: unknown): void => {
      seen.push(done);
      parts.push(shards);
    };
    const goneOn = await run({ out: out('parts.csv'), onProgress: onGoing });
    expect([goneOn.outcome, seen[0], seen.at(-1)]).toEqual(['finished', 40, COUNT]);
    expect([parts[0], parts.at(-1)]).toEqual([{ done: 1, total: 5 }, { done: 5, total: 5 }]); // prettier-ignore
    expect(await readFile(out('parts.csv'), 'utf8')).toBe(await readFile(out('whole.csv'), 'utf8'));
    expect(await readFile(out('parts.csv.rejected.jsonl'), 'utf8')).toBe(await readFile(out('whole.csv.rejected.jsonl'), 'utf8')); // prettier-ignore
    expect((await readdir(folder)).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('gives the same output by a judge of several at once, also when it is interrupted', async () => {
    await input();
    await run({ out: out('one.jsonl') });
    let underWay = 0;
    let most = 0;
    const several = severalAtOnce(async (post) => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, (post.text ?? '').length % 5));
      underWay -= 1;
      return verdict(post);
    });
    const controller = new AbortController();
    const onProgress = (done: number): void => void (done >= 90 && controller.abort());
    const stopped = await run({ out: out('a.jsonl'), judge: several, signal: controller.signal, onProgress });
    expect([stopped.outcome, underWay, most > 16]).toEqual(['interrupted', 0, true]);
    expect((await run({ out: out('a.jsonl'), judge: several, resume: true })).outcome).toBe('finished');
    for (const end of ['', '.rejected.jsonl']) {
      expect(await readFile(out(`a.jsonl${end}`), 'utf8')).toBe(await readFile(out(`one.jsonl${end}`), 'utf8'));
    }
  });

  it('ends when the judge fails, with no post under way', async () => {
    await input();
    let underWay = 0;
    let asked = 0;
    const failing = severalAtOnce(async (post) => {
      const isTenth = ++asked === 10;
      underWay += 1;
      await new Promise((resolve) => setTimeout(resolve, isTenth ? 5 : 20));
      underWay -= 1;
      if (isTenth) throw new TypeError('a bug');
      return verdict(post);
    });
    await expect(run({ out: out('a.jsonl'), judge: failing })).rejects.toThrow('a bug');
    expect(underWay).toBe(0);
    expect(asked).toBeLessThan(80);
  });

  it('has what had come of a stream in the output, whenever it is interrupted', async () => {
    const controller = new AbortController();
    async function* chunks(): AsyncGenerator<Buffer> {
      yield Buffer.from('{"text":"a"}\n{"text":"b"}\n{"text":"c"}\n');
      await new Promise((resolve) => setTimeout(resolve, 50)); // as long as nobody writes
      controller.abort();
    }
    const stream = { format: 'JSON Lines', chunks: chunks() } as const;
    const asked = { out: out('a.jsonl'), judge: severalAtOnce(judge.judge), stream, signal: controller.signal };
    expect(await run(asked)).toMatchObject({ outcome: 'interrupted', rows: 3 });
  });

  it.each(RECORDED)('gives of %s as %s the bytes that earlier versions gave', async (name, ending, whole, rejected) => {
    await writeInputs(folder);
    if (name === 'made.parquet') await run({ input: out('table.csv'), out: out(name) });
    const path = out(`${name}-judged.${ending}`);
    await run({ input: out(name), out: path });
    const hash = async (file: string): Promise<string> => (await fileHash(file)).slice(0, 16);
    expect(await hash(path)).toBe(whole);
    if (rejected === '') expect(await readdir(folder)).not.toContain(`${name}-judged.${ending}.rejected.jsonl`);
    else expect(await hash(`${path}.rejected.jsonl`)).toBe(rejected);
  });

  it('writes CSV and Parquet with the same columns and numbers', async () => {
    await input();
    await run({ out: out('a.csv') });
    await run({ out: out('a.parquet') });
    const [head, first] = (await readFile(out('a.csv'), 'utf8')).split('\r\n');
    expect(head).toBe(
      'row,line,id,seen,input_id,text,label,recovered,unfamiliar,quality_image,quality_text,intact_image,intact_text,weight_original,weight_imageAndRecoveredText,' +
        'weight_recoveredImageAndText,probability_positive,probability_negative',
    );
    expect(first).toBe('1,1,post 0,,post 0,x,positive,,false,,0.25,,0.5,,,,0.5,0.5');
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(out('a.parquet')) });
    expect(rows).toHaveLength(198);
    expect(Object.keys(rows[0] as object).join(',')).toBe(head);
    expect(rows[1]).toMatchObject({
      row: 2,
      id: 'post 1',
      quality_image: null,
      quality_text: 0.25,
      intact_image: null,
      intact_text: 1 / 3,
      unfamiliar: false,
    });
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
      /--out expected a file that ends in .jsonl, .csv, .parquet, or a folder, received/,
    );
    await expect(run({ out: out('b.jsonl'), resume: true })).rejects.toThrow(/--resume expected an unfinished job at .*b.jsonl.partial, received none/); // prettier-ignore
    await run({ out: out('c.jsonl'), others: NOBODY });
    const other = { ...judge, info: { ...judge.info, sources: [{ ...source, folder: '/runs/b' }] } };
    await expect(run({ out: out('c.jsonl'), judge: other })).rejects.toThrow(/--out .*c.jsonl, run, expected what the job at .* has: "\/runs\/a", received "\/runs\/b"/); // prettier-ignore
    await appendFile(path, '{"text":"one more"}\n');
    await expect(run({ out: out('c.jsonl') })).rejects.toThrow(/c.jsonl, versions, expected/);
    expect((await run({ out: out('c.jsonl'), overwrite: true })).counts?.judged).toBe(199);
  });

  it('never replaces its own input, under whatever name', async () => {
    const path = await input();
    const before = await readFile(path, 'utf8');
    await symlink(path, out('link.jsonl'));
    for (const name of ['posts.jsonl', 'link.jsonl']) {
      const message = /--out .* expected another place than the input, received the input itself/;
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
    await run({ out: out('a.jsonl'), others: NOBODY });
    await expect(run({ out: out('a.jsonl'), ...other })).rejects.toThrow(`a.jsonl, ${name}, expected`);
    expect((await run({ out: out('a.jsonl'), resume: true })).outcome).toBe('finished');
  });

  it('says that a plan, or a part, was changed', async () => {
    await input();
    const stop = async (): Promise<void> => {
      const controller = new AbortController();
      const onProgress = (done: number): void => void (done >= 90 && controller.abort());
      await run({ out: out('a.jsonl'), signal: controller.signal, overwrite: true, onProgress });
    };
    await stop();
    const part = out('a.jsonl.partial/part-00000.jsonl');
    await writeFile(part, (await readFile(part, 'utf8')).replace('"positive"', '"negative"'));
    await expect(run({ out: out('a.jsonl') })).rejects.toThrow(/part-00000.jsonl expected the rows that were judged, of SHA-256 .*, received others; the file was changed/); // prettier-ignore
    await stop();
    const [plan] = await readdir(out('a.jsonl.partial/_job/plans'));
    await writeFile(out(`a.jsonl.partial/_job/plans/${plan}`), 'null');
    await expect(run({ out: out('a.jsonl') })).rejects.toThrow(/expected an unfinished job whose plan is whole.*start anew with --overwrite/); // prettier-ignore
    expect(await readdir(folder)).not.toContain('a.jsonl');
  });

  it('ends what was killed between its output and its end', async () => {
    await input();
    await run({ out: out('whole.jsonl') });
    for (const name of ['a.jsonl.temporary', 'a.jsonl.rejected.jsonl.temporary']) await symlink(out('link'), out(name));
    // the last thing that a job does is to remove its own files
    const kept = vi.spyOn(JobPlace.prototype, 'clear').mockResolvedValueOnce();
    await run({ out: out('a.jsonl') });
    kept.mockRestore();
    expect(await readdir(folder)).toContain('a.jsonl.partial');
    const { counts } = await run({ out: out('a.jsonl') });
    expect(counts).toMatchObject({ judged: 198, rejected: 2 });
    expect(await readFile(out('a.jsonl'), 'utf8')).toBe(await readFile(out('whole.jsonl'), 'utf8'));
    expect((await readdir(folder)).filter((name) => name.includes('partial') || name.includes('temporary') || name === 'link')).toEqual([]); // prettier-ignore
  });

  it('keeps what somebody else made of its output, unless it is told to replace it', async () => {
    await input();
    await run({ out: out('a.jsonl'), others: NOBODY });
    await writeFile(out('a.jsonl'), 'mine');
    await expect(run({ out: out('a.jsonl') })).rejects.toThrow(/expected a file that does not exist yet.*--resume/);
    expect(await readFile(out('a.jsonl'), 'utf8')).toBe('mine');
    expect((await run({ out: out('a.jsonl'), resume: true })).outcome).toBe('finished');
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
    await expect(run({ out: out('a.jsonl'), input: out('none.csv') })).rejects.toThrow(/Opening .*none.csv expected a file or folder of posts/); // prettier-ignore
    expect(await readdir(folder)).toEqual([]);
  });
});
