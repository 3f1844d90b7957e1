// The same posts through a run, its export, and both together, by the command line and by the service.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exportRun } from '@drf/export';
import { makeEmbeddedRun } from '@drf/export/testing';
import { openJudge } from '@drf/judge';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from './serve.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FROM_SOURCE = ['--conditions=source', '--import', join(ROOT, 'scripts/from-source.mjs')];
const TEXTS = ['What a lovely day!', 'terrible 😀😀 service', null, 'just a picture'];

let folder: string;
let run: string;
let exported: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-judges-'));
  [run, exported] = [join(folder, 'run'), join(folder, 'exported')];
  await makeEmbeddedRun(run, { method: 'drf', seen: 20 });
  await exportRun(run, { out: exported });
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  for (const i of [0, 2, 3]) {
    await sharp({ create: { width: 40 + i, height: 30, channels: 3, background: '#000', noise } }).png().toFile(join(folder, `${i}.png`)); // prettier-ignore
  }
  const rows = TEXTS.map((text, i) => ({ id: String(i), text, image: i === 1 ? null : `${i}.png` }));
  await writeFile(join(folder, 'posts.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string;

/** Rows by `pnpm predict`: judgments, and what belongs to the table. */
async function predicted(judge: readonly string[]): Promise<object[]> {
  const out = join(folder, `${judge.length}-${judge[0]?.endsWith('run')}.jsonl`);
  const [first, ...others] = judge as [string, ...string[]];
  const further = others.flatMap((other) => ['--with', other]);
  const args = [
    ...FROM_SOURCE,
    'apps/predict/src/main.ts',
    first,
    join(folder, 'posts.jsonl'),
    ...further,
    '--out',
    out,
  ];
  await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  return (await readFile(out, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
}

/** Judgments by `pnpm serve`, and what it says of its model. */
async function served(judge: readonly string[]): Promise<{ answers: object[]; model: object }> {
  const service = await serve({ run: judge, host: '127.0.0.1', port: 0, execArgv: FROM_SOURCE });
  try {
    const answers = TEXTS.map(async (text, i) => {
      const image = i === 1 ? null : await readFile(join(folder, `${i}.png`), 'base64');
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ text, image });
      const response = await fetch(`${service.address}/v1/predict`, { method: 'POST', headers, body });
      const { model, ...judgment } = (await response.json()) as { readonly model: object };
      expect(model).toMatchObject({ version: matching(/^[0-9a-f]{12}$/) });
      return judgment;
    });
    return {
      answers: await Promise.all(answers),
      model: (await (await fetch(`${service.address}/v1/model`)).json()) as object,
    };
  } finally {
    await service.close(1000);
  }
}

// Two processes each, from source: on a busy machine that takes a while.
describe('predict and serve', { timeout: 240_000 }, () => {
  it.each([
    ['a run', () => [run], { run: 'run', engine: 'compiled', checkpoint: 'step-3.safetensors' }],
    ['an export', () => [exported], { run: 'run', engine: 'onnx', checkpoint: 'step-3.safetensors' }],
    ['an ensemble', () => [run, exported], { run: 'run + run', engine: 'compiled + onnx', calibration: null }],
  ])('judge by %s, alike', async (_, folders, model) => {
    const byService = await served(folders());
    const rows = byService.answers.map((judgment) => expect.objectContaining(judgment) as object);
    expect(await predicted(folders())).toEqual(rows);
    expect(byService.model).toMatchObject({ mode: 'server', predicts: true, maskToken: '[MASK]', ...model });
    const judge = await openJudge(folders());
    const [, text] = TEXTS;
    expect(byService.answers[1]).toEqual(await judge.judge({ text: text as string, image: null }));
    await judge.close();
  });
});
