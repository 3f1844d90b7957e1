import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from './open.js';
import type { LabelOptions } from './relabel.js';
import { folderWith } from './testing/folders.js';

const ROWS = ['Positive', 'positive', 'positive', 'negative', 'NEGATIVE', 'nan', 'meh'];
const CONTENT = `text,label\n${ROWS.map((label, i) => `post ${i},${label}`).join('\n')}\n`;

async function opened(labels: LabelOptions) {
  const folder = await folderWith({ 'posts.csv': CONTENT });
  const dataset = await openDataset({ name: 'posts', file: join(folder, 'posts.csv'), labels });
  const { notes, kept, rows } = dataset.ledger.toJSON();
  return {
    dataset,
    labels: dataset.records.map(({ id, label }) => [id, dataset.classes[label]]),
    notes: notes.map(({ message }) => message).filter((message) => message.startsWith('label')),
    counts: [kept, rows],
  };
}

describe('labels', () => {
  it('of another case become one class, named as most posts name it', async () => {
    const { dataset, labels, notes, counts } = await opened({ ignoreCase: true });
    expect([...dataset.classes].sort()).toEqual(['NEGATIVE', 'meh', 'nan', 'positive']); // one post each way: the first
    expect(labels.slice(0, 5).map(([, name]) => name)).toEqual(['positive', 'positive', 'positive', 'NEGATIVE', 'NEGATIVE']); // prettier-ignore
    expect(notes).toEqual([
      'label "Positive" is read as "positive" (1 posts)',
      'label "negative" is read as "NEGATIVE" (1 posts)',
    ]);
    expect(counts).toEqual([7, 7]);
  });

  it('are renamed and dropped, and what is dropped is listed with its line', async () => {
    const { dataset, labels, counts } = await opened({
      rename: { Positive: 'positive', NEGATIVE: 'negative' },
      drop: ['nan', 'meh'],
    });
    expect([...dataset.classes].sort()).toEqual(['negative', 'positive']);
    expect(labels.map(([id]) => id)).toEqual(['1', '2', '3', '4', '5']);
    expect(counts).toEqual([5, 7]);
    expect(dataset.ledger.dropped).toEqual([
      { id: '6', line: 7, reason: 'label left out', detail: 'posts post 6: its label "nan" is to be dropped' },
      { id: '7', line: 8, reason: 'label left out', detail: 'posts post 7: its label "meh" is to be dropped' },
    ]);
    expect((await dataset.read(dataset.records[3]!)).label).toBe(dataset.classes.indexOf('negative'));
  });

  it('take the new name where case does not count, too', async () => {
    const { dataset } = await opened({ ignoreCase: true, rename: { negative: 'Bad' }, drop: ['NaN', 'MEH'] });
    expect([...dataset.classes].sort()).toEqual(['Bad', 'positive']);
  });

  it('that no post has are warned of', async () => {
    const { dataset } = await opened({ rename: { postive: 'positive' }, drop: ['none'] });
    const warnings = dataset.ledger.toJSON().notes.filter(({ isWarning }) => isWarning === true);
    expect(warnings.map(({ message }) => message)).toEqual([
      'label "postive" is to be renamed, but no post has it; labels are NEGATIVE, Positive, meh, nan, negative, positive',
      'label "none" is to be dropped, but no post has it; labels are NEGATIVE, Positive, meh, nan, negative, positive',
    ]);
  });

  it('cannot all be dropped', async () => {
    await expect(opened({ drop: ROWS })).rejects.toThrow(
      /expected at least one usable row, received none of 7 \(7 have a label that is to be dropped; the first: .*\); drop fewer/,
    );
  });
});

describe('codes of labels', () => {
  const open = async (codes: readonly number[]) => {
    const rows = codes.map((code, i) => ({ id: `${i}`, text: 'a', emotion_label: code }));
    const folder = await folderWith({ 'posts.jsonl': rows.map((row) => JSON.stringify(row)).join('\n') });
    return openDataset({ name: 'posts', file: join(folder, 'posts.jsonl') });
  };

  it('are sentiments up to 2 and emotions of TumEmo up to 6', async () => {
    expect((await open([0, 1, 2])).classes).toEqual(['negative', 'neutral', 'positive']);
    const { classes, records, ledger } = await open([0, 4, 6, 2]);
    expect(records.map(({ label }) => classes[label])).toEqual(['angry', 'happy', 'sad', 'calm']);
    expect(ledger.toJSON().notes.map(({ message }) => message)).toContain(
      'emotion_label: 0 is angry, 1 is bored, 2 is calm, 3 is fear, 4 is happy, 5 is love, 6 is sad',
    );
  });
});
