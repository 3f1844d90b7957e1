import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { runDrf } from './commands.js';
import { load } from './index.js';
import { labeledPosts, TINY_ENCODERS } from './testing/posts.js';

let folder: string;
const earlier = process.exitCode;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-ensemble-'));
});
afterAll(async () => {
  process.exitCode = earlier;
  await rm(folder, { recursive: true, force: true });
});

/** What a command prints. */
async function drf(...argv: string[]): Promise<string> {
  process.exitCode = undefined;
  const print = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await runDrf([...argv, '--cache', join(folder, 'cache'), '--quiet']);
    return print.mock.calls.map(([text]) => String(text)).join('');
  } finally {
    print.mockRestore();
  }
}

interface Scores {
  readonly runs: readonly unknown[];
  readonly ensemble: { readonly posts: number; readonly cells: readonly { readonly report: { readonly accuracy: number; readonly count: number } }[] } | null; // prettier-ignore
}

it('an ensemble is scored as it judges, on posts that no member was trained on', { timeout: 120_000 }, async () => {
  const [encoders, file, out] = [join(folder, 'tiny.mjs'), join(folder, 'posts.csv'), join(folder, 'folds')];
  await writeFile(encoders, TINY_ENCODERS);
  // labels that texts tell of half the time, so that members err
  const rows = (await labeledPosts(120)).map(({ text, label }, i) => ({ id: String(i), text: text ?? 'none', label: i % 4 < 2 ? label : 'bad' })); // prettier-ignore
  await writeFile(file, ['id,text,label', ...rows.map(({ id, text, label }) => `${id},"${text}",${label}`)].join('\n')); // prettier-ignore
  const options = ['--engine', 'eager:cpu', '--encoders.image', encoders, '--encoders.text', encoders, '--model.dim', '8', '--training.epochs', '2', '--training.learning-rate', '1e-2', '--method', 'concatenation', '--dataset.val-fraction', '0.3', '--dataset.train-fraction', '0.5']; // prettier-ignore
  await drf('train', '--data', file, ...options, '--dataset.folds', '3', '--dataset.fold', 'all', '--out', out);

  const scored = JSON.parse(await drf('eval', out, '--split', 'val', '--cells', 'clean', '--json', '--out', join(folder, 'scores'))) as Scores; // prettier-ignore
  const { ids } = JSON.parse(await readFile(join(out, 'fold1', 'splits', 'val.json'), 'utf8')) as { ids: string[] };
  const posts = ids.map((id) => rows[Number(id)] as (typeof rows)[number]);
  await using model = await load(out, { own: [encoders] });
  const judged = await model.predict(posts.map(({ text }) => ({ text })));
  const right = judged.filter(({ label }, i) => label === posts[i]?.label).length;
  expect(right).toBeGreaterThan(0);
  expect(right).toBeLessThan(posts.length);
  expect(scored.ensemble).toMatchObject({ members: 3, split: 'val', posts: posts.length });
  expect(scored.ensemble?.cells[0]?.report.accuracy).toBeCloseTo(right / posts.length, 6);
  expect(JSON.parse(await readFile(join(folder, 'scores', 'ensemble-results.json'), 'utf8'))).toEqual(scored.ensemble);

  // on their own test splits members are asked different posts
  const own = JSON.parse(await drf('eval', out, '--cells', 'clean', '--json')) as Scores;
  expect([own.runs.length, own.ensemble]).toEqual([3, null]);
});
