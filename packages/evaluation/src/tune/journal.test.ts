import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Journal, type TrialResult } from './journal.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-journal-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const result = (trial: number, rung: number, at: number): TrialResult => ({
  ...{ trial, rung, at, score: 0.5, loss: 1, epochs: 2, accuracy: 0.5, bestEpoch: 1, posts: 20, seconds: 3 },
  failure: null,
});

it('keeps what was decided and found, and knows what is left', async () => {
  const path = join(folder, 'whole.jsonl');
  const journal = await Journal.open(path, 'mine');
  expect([journal.results, journal.pending, journal.seconds]).toEqual([[], [], 0]);
  const wave = [
    { trial: 0, rung: 0 },
    { trial: 1, rung: 0 },
  ];
  await journal.decide(wave);
  await journal.add(result(1, 0, 7));
  expect(journal.pending).toEqual([wave[0]]);
  const again = await Journal.open(path, 'mine');
  expect([again.results, again.pending, again.seconds]).toEqual([[result(1, 0, 7)], [wave[0]], 7]);
});

/** Of the right form in JSON alone. */
const DAMAGED = ['{"result":null}', '{"result":{"trial":0,"rung":0,"score":"0.5"}}', '{"wave":5}', '{"wave":[null]}'];

it('repeats what a torn or damaged line would have said', async () => {
  const path = join(folder, 'torn.jsonl');
  const journal = await Journal.open(path, 'mine');
  await journal.decide([{ trial: 0, rung: 0 }]);
  await writeFile(path, `${await readFile(path, 'utf8')}null\n7\n{{{\n${DAMAGED.join('\n')}\n`);
  await appendFile(path, JSON.stringify({ result: result(0, 0, 1) }).slice(0, -4));
  const again = await Journal.open(path, 'mine');
  expect(again.pending).toEqual([{ trial: 0, rung: 0 }]);
  await again.add(result(0, 0, 2));
  expect((await Journal.open(path, 'mine')).results).toEqual([result(0, 0, 2)]);
});

it('refuses the journal of another tuning, and other files', async () => {
  const path = join(folder, 'other.jsonl');
  await Journal.open(path, 'mine');
  await expect(Journal.open(path, 'yours')).rejects.toThrow('start anew with --overwrite');
  await writeFile(path, 'a note of somebody else\n');
  await expect(Journal.open(path, 'mine')).rejects.toThrow('start anew with --overwrite');
  expect(await readFile(path, 'utf8')).toBe('a note of somebody else\n');
  await expect(Journal.open(folder, 'mine')).rejects.toThrow('expected a journal that can be read, received EISDIR');
  await writeFile(path, '{"wave":[]}\n');
  await expect(Journal.open(path, 'mine')).rejects.toThrow('received another one');
});
