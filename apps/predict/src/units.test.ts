// Whoever judges which shard, when, and how often: the parts are the same bytes.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pointClientAt, startS3Server } from '@drf/storage/testing';
import { localRunner, readPlan, type PublishedPlan, type Unit } from '@drf/units';
import { predictPosts, type OtherProcesses, type PredictOptions } from './predict-posts.js';
import { scoreKindOf } from './score-kind.js';
import { JUDGE, NOBODY, writeInputs } from './testing/inputs.js';

let folder: string;
let whole: Readonly<Record<string, string>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-units-'));
  await writeInputs(folder);
  await run('whole');
  whole = await filesOf('whole');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(name: string, options: Partial<PredictOptions> = {}) {
  const common = { judge: JUDGE, input: join(folder, 'lines.jsonl'), resume: false, overwrite: false };
  return predictPosts({ ...common, out: join(folder, name), format: 'csv', shardPosts: 40, ...options });
}

/** Content of the output's files, without what names the plan. */
async function filesOf(name: string): Promise<Readonly<Record<string, string>>> {
  const files = (await readdir(join(folder, name))).filter((file) => file !== '_job').sort();
  const read = async (file: string): Promise<[string, string]> => {
    const text = await readFile(join(folder, name, file), 'utf8');
    return [file, text.replace(/"plan": "[^"]*"/, '"plan": ""')];
  };
  return Object.fromEntries(await Promise.all(files.map(read)));
}

const loader = new URL('../../../scripts/from-source.mjs', import.meta.url).href;
const processes = (lanes: number): OtherProcesses => ({
  model: { runs: ['/runs/a'], checkpoint: null, engine: 'none' },
  resources: { cores: 1, gpus: 0, memoryBytes: 0 },
  runner: localRunner({ execArgv: ['--conditions=source', '--import', loader] }),
  program: new URL('./testing/stand-in-unit.ts', import.meta.url),
  lanes,
  from: 0,
});

/** A job's plan, of which nothing is done yet. */
async function planned(name: string): Promise<PublishedPlan> {
  const { outcome, plan } = await run(name, { others: NOBODY });
  expect(outcome).toBe('planned');
  return readPlan(plan as string);
}

async function perform(plan: PublishedPlan, order: readonly number[]): Promise<void> {
  const worker = await scoreKindOf(JUDGE, null).open({ plan, threads: 1 });
  const around = { plan, threads: 1, report: () => undefined };
  for (const index of order) await worker.perform(plan.units[index] as Unit, around);
  await worker.close();
}

/** Finishes what others judged, and judges nothing. */
async function finish(name: string): Promise<void> {
  const refused = { ...JUDGE, judge: () => Promise.reject(new Error('nothing is due')) };
  expect((await run(name, { judge: refused })).outcome).toBe('finished');
}

it('writes parts, what could not be judged, and what all of it came to', async () => {
  const names = [0, 1, 2, 3, 4, 5, 6, 7].map((shard) => `part-0000${shard}.csv`);
  expect(Object.keys(whole)).toEqual(['_SUCCESS.json', ...names, 'rejected-00000.jsonl', 'rejected-00003.jsonl']);
  const head = whole['part-00000.csv']?.split('\r\n')[0];
  expect(head).toMatch(/^row,line,id,seen,input,label,/);
  expect(names.map((name) => whole[name]?.split('\r\n')[0])).toEqual(names.map(() => head));
  const rows = names.flatMap((name) => (whole[name] ?? '').split('\r\n').slice(1, -1));
  expect(rows.map((row) => Number(row.split(',')[0]))).toEqual(Array.from({ length: 300 }, (_, i) => i + 1).filter((row) => row !== 8 && row !== 151)); // prettier-ignore
  const success = JSON.parse(whole['_SUCCESS.json'] ?? '') as Record<string, unknown>;
  expect(success).toMatchObject({ rows: 300, judged: 298, rejected: 2, model: { run: '/runs/a', sha256: '0' } });
  expect(success['parts']).toHaveLength(8);
  expect(success['inputs']).toMatchObject([{ path: expect.stringContaining('lines.jsonl'), rows: 300 }]);
});

it('gives the same by three processes, of which one is killed', async () => {
  process.env['DRF_TEST_KILL'] = join(folder, 'killed');
  try {
    expect((await run('processes', { others: processes(3) })).outcome).toBe('finished');
  } finally {
    delete process.env['DRF_TEST_KILL'];
  }
  expect(await readdir(folder)).toContain('killed');
  expect(await filesOf('processes')).toEqual(whole);
  expect((await readdir(join(folder, 'processes/_job'))).sort()).toEqual(['counts', 'plans']);
}, 300_000);

it('gives the same by units that are done one by one, in any order, twice at once, and again', async () => {
  const plan = await planned('by-hand');
  await perform(plan, [5, 2, 7]);
  await Promise.all([perform(plan, [0, 1, 3, 4]), perform(plan, [0, 1, 4, 3])]);
  await perform(plan, [6, 5]);
  await finish('by-hand');
  expect(await filesOf('by-hand')).toEqual(whole);
  await finish('by-hand'); // what is finished is only said again
  expect(await filesOf('by-hand')).toEqual(whole);
});

it('refuses to do units of another model, and a folder with something else in it', async () => {
  const plan = await planned('another');
  const sources = [
    { kind: 'run', folder: '/runs/a', checkpoint: 'step-1.safetensors', sha256: 'trained anew' },
  ] as const;
  const other = scoreKindOf({ ...JUDGE, info: { ...JUDGE.info, sources } }, null);
  const opened = Promise.resolve(other.open({ plan, threads: 1 }));
  await expect(opened).rejects.toThrow(/Model \/runs\/a, sha256, expected what the job was planned with: "0", received "trained anew"/); // prettier-ignore
  await expect(run('posts')).rejects.toThrow(/posts expected a folder of nothing else, received 1.png/);
});

it('leaves its own output out of the input, and nothing else, however alike the names', async () => {
  for (const name of ['mine.csv', 'mine-2.csv', 'a.csv']) {
    await mkdir(join(folder, 'beside/mine'), { recursive: true });
    await writeFile(join(folder, 'beside', name), 'text\na day\n');
  }
  const input = join(folder, 'beside');
  expect((await run('beside/mine', { input })).rows).toBe(3);
  expect((await run('beside/mine', { input })).rows).toBe(3);
  await rm(join(folder, 'beside/mine'), { recursive: true });
  const file = { input, format: undefined };
  expect((await run('beside/mine.csv.jsonl', file)).rows).toBe(3);
  await expect(run('beside/mine.csv.jsonl', { ...file, overwrite: true })).resolves.toMatchObject({ rows: 3 });
});

it.each(['', '{"part":{"pa', 'null', '{}', '{"part":{"path":"../lines.jsonl","bytes":1,"sha256":""}}'])(
  'judges a shard again whose report is none: %s',
  async (report) => {
    await run('reports');
    await writeFile(join(folder, 'reports/_job/counts/00002.json'), report);
    await writeFile(join(folder, 'reports/_job/counts/99999.json'), report);
    expect(await run('reports')).toMatchObject({ outcome: 'finished', rows: 300, parts: 8 });
    expect(await filesOf('reports')).toEqual(whole);
  },
);

it('reports shards that are given up, and keeps the others', async () => {
  const plan = await planned('broken');
  await perform(plan, [0, 1]);
  const runner = { name: 'test', run: () => Promise.resolve([{ index: 2, reason: 'the disk is full' }]) };
  const job = run('broken', { others: { ...processes(1), runner } });
  await expect(job).rejects.toThrow(/lines.jsonl expected all shards judged, received 6 of 8 that were given up \(shard 3 of 8: the disk is full; .* 80 rows are judged and stay; the same command goes on/); // prettier-ignore
  expect((await run('broken')).outcome).toBe('finished');
  expect(await filesOf('broken')).toEqual(whole);
});

it('gives in object storage, of a prefix with several tables, what it gives in a folder', async () => {
  const tables = { 'one.csv': 'id,text,mood\n1,a day,glad\n2,,\n', 'more/two.csv': 'text,place\nanother day,here\n' };
  await mkdir(join(folder, 'tables/more'), { recursive: true });
  const server = await startS3Server();
  try {
    pointClientAt(server);
    for (const [name, text] of Object.entries(tables)) {
      await writeFile(join(folder, 'tables', name), text);
      server.objects.set(`bucket/tables/${name}`, { body: Buffer.from(text), metadata: {} });
    }
    await run('of-tables', { input: join(folder, 'tables'), shardPosts: 1 });
    for (const key of ['judged/part-00001.csv', 'one.csv']) {
      await fetch(`${server.endpoint}/bucket/${key}?uploads`, { method: 'POST', headers: { authorization: 'test' } });
    }
    expect(server.uploads.size).toBe(2); // as processes leave them that are killed while they write
    const { counts } = await run('', { input: 's3://bucket/tables', out: 's3://bucket/judged', shardPosts: 1 });
    expect(server.uploads.size).toBe(1);
    expect(counts).toMatchObject({ judged: 2, rejected: 1 });
    const parts = Object.entries(await filesOf('of-tables')).filter(([name]) => name !== '_SUCCESS.json');
    for (const [name, text] of parts) expect(server.objects.get(`bucket/judged/${name}`)?.body.toString()).toBe(text);
    expect(parts.map(([name]) => name)).toEqual(['part-00000.csv', 'part-00001.csv', 'part-00002.csv', 'rejected-00002.jsonl']); // prettier-ignore
    const [head, row] = (parts[0]?.[1] ?? '').split('\r\n');
    expect(head).toMatch(/^file,row,line,id,seen,text,place,input_id,mood,label,/);
    expect(row).toMatch(/^more\/two.csv,1,2,"more\/two.csv, line 2",,another day,here,,,negative/);
    expect(parts[3]?.[1]).toMatch(/^\{"file":"one.csv","row":2,"id":"2","reason":"missing image and text"/);
    await run('', { input: 's3://bucket/tables', out: 's3://bucket/one.csv', shardPosts: 1, format: undefined });
    expect(server.uploads.size).toBe(0);
    const whole = server.objects.get('bucket/one.csv')?.body.toString().split('\r\n') ?? [];
    expect(whole.map((line) => line.split(',')[0])).toEqual(['file', 'more/two.csv', 'one.csv', '']);
    const left = [...server.objects.keys()].filter((key) => key.includes('.partial') || key.includes('temporary'));
    expect(left).toEqual([]);
    server.objects.set('bucket/tables/one.csv', { body: Buffer.from('text\nother\n'), metadata: {} });
    const again = run('', { input: 's3://bucket/tables', out: 's3://bucket/judged', shardPosts: 1 });
    await expect(again).rejects.toThrow(/--out s3:\/\/bucket\/judged, .* expected what the job at s3/);
  } finally {
    vi.unstubAllEnvs();
    await server.close();
  }
});
