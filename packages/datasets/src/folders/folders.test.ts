import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../dataset.js';
import { openDataset } from '../open.js';
import type { OpenOptions } from '../options.js';
import { folderWith, pairFiles, smallJpeg } from '../testing/folders.js';

const reasons = ({ ledger }: Dataset) =>
  Object.fromEntries(ledger.toJSON().reasons.map(({ reason, ids }) => [reason, ids]));

async function mvsa(labels: string, ids: readonly number[], extra: Record<string, string | Uint8Array> = {}) {
  return folderWith({ 'labelResultAll.txt': labels, ...(await pairFiles('data', ids)), ...extra });
}

describe('MVSA-Single in its published layout', () => {
  it('keeps what the label rule keeps and reads it as GB18030', async () => {
    const labels = 'ID\ttext,image\n1\tneutral,positive\n2\tpositive,negative\n3\tnegative,negative\n';
    const root = await mvsa(labels, [1, 2, 3], { 'data/3.txt': Uint8Array.of(0xd0, 0xa6, 0x20, 0x0a) });
    const dataset = await openDataset({ name: 'mvsa-single', root, imageSize: { width: 6, height: 4 } });
    expect(dataset.classes).toEqual(['positive', 'neutral', 'negative']);
    expect(dataset.records.map(({ id, label }) => [id, label])).toEqual([['1', 0], ['3', 2]]); // prettier-ignore
    expect(reasons(dataset)).toEqual({ 'conflicting labels': ['2'] });
    const post = await dataset.read(dataset.records[1]!);
    expect(post).toMatchObject({ id: '3', label: 2, text: '笑', image: { width: 6, height: 4 } });
    expect(post.image!.data).toHaveLength(72);
  });

  it('lists missing, empty and wrong rows with their line, and goes on', async () => {
    const labels = [
      'ID\ttext,image', '1\tpositive,positive', '2\tpositive', '3\tpositive,happy', '1\tneutral,neutral', '../x\tpositive,positive',
      '', '7\tneutral,neutral', '8\tneutral,neutral', '9\tneutral,neutral', '10\tneutral,neutral', '11\tneutral,neutral\r',
    ]; // prettier-ignore
    const files = { 'data/8.jpg': 'x', 'data/9.txt': 'x', 'data/10.jpg': new Uint8Array(), 'data/10.txt': 'x' };
    const root = await mvsa(labels.join('\n'), [1, 11], { ...files, 'data/11.txt': '' });
    const dataset = await openDataset({ name: 'mvsa-single', root });
    expect(reasons(dataset)).toEqual({
      'bad row': ['2', '3', 'line 6'],
      'duplicate id': ['1'],
      'missing image and text': ['7'],
      'missing text': ['8'],
      'missing image': ['9'],
      'empty image file': ['10'],
      'empty text file': ['11'],
    });
    expect(dataset.ledger.rows).toBe(10);
    expect(dataset.ledger.kept).toBe(1);
    const rows = dataset.ledger.dropped;
    expect(rows.find((row) => row.id === '3')).toEqual({
      id: '3',
      line: 4,
      reason: 'bad row',
      detail:
        'labelResultAll.txt, line 4 expected a label (positive, neutral, negative), received "happy"; correct or remove the line',
    });
    expect(rows.find((row) => row.id === '2')?.detail).toBe(
      'labelResultAll.txt, line 3 expected a label (positive, neutral, negative), received nothing; correct or remove the line',
    );
    expect(rows.find((row) => row.id === '8')?.detail).toBe(
      'mvsa-single post 8 expected files 8.jpg and 8.txt, received no 8.txt; restore the files, or leave the post out',
    );
    expect(rows.find((row) => row.reason === 'duplicate id')?.detail).toMatch(/line 5 .* "1" again, as in line 2/);
  });

  it('finds undecodable content when it is read, naming post and file', async () => {
    const labels = '1\tneutral,neutral\n2\tneutral,neutral\n3\tneutral,neutral\n';
    const bad = { 'data/1.jpg': 'no image', 'data/2.txt': Uint8Array.of(0x61, 0xff), 'data/3.txt': ' \n' };
    const dataset = await openDataset({ name: 'mvsa-single', root: await mvsa(labels, [1, 2, 3], bad) });
    const [first, second, third] = dataset.records;
    await expect(dataset.read(first!)).rejects.toThrow(
      /^mvsa-single post 1, image data\/1.jpg expected an image .* received 8 bytes/,
    );
    await expect(dataset.read(second!)).rejects.toThrow(
      'mvsa-single post 2, text data/2.txt expected GB18030 text, received 0xff at byte 1; save it as UTF-8, or name its encoding (--dataset.encoding windows-1252, for example)',
    );
    await expect(dataset.read(third!)).rejects.toThrow(
      'mvsa-single post 3, text data/3.txt expected some text, received none, or white space only; fill it in, or remove the post',
    );
  });

  it('refuses files over the limits', async () => {
    const root = await mvsa('1\tneutral,neutral\n', [1]);
    const small = await openDataset({ name: 'mvsa-single', root, maximumImageBytes: 100 });
    await expect(small.read(small.records[0]!)).rejects.toThrow(/post 1, image data\/1.jpg expected at most 100 bytes/);
    const few = await openDataset({ name: 'mvsa-single', root, maximumImagePixels: 100 });
    await expect(few.read(few.records[0]!)).rejects.toThrow(/expected at most 100 pixels/);
  });

  it('does not follow links out of the root', async () => {
    const outside = await folderWith({ 'secret.txt': 'secret' });
    const root = await mvsa('1\tneutral,neutral\n2\tneutral,neutral\n', [1], {
      'data/2.jpg': await smallJpeg(2),
      'own.txt': 'own',
    });
    await symlink(join(outside, 'secret.txt'), join(root, 'data', '2.txt'));
    const dataset = await openDataset({ name: 'mvsa-single', root });
    expect(reasons(dataset)).toEqual({ 'path outside the root': ['2'] });
    const inside = await mvsa('1\tneutral,neutral\n', [], { 'data/1.jpg': await smallJpeg(1), 'own.txt': 'own' });
    await symlink(join(inside, 'own.txt'), join(inside, 'data', '1.txt'));
    const linked = await openDataset({ name: 'mvsa-single', root: inside });
    expect(await linked.readText(linked.records[0]!)).toBe('own');
  });

  it('says what is missing when the folder is', async () => {
    const error = await openDataset({ name: 'mvsa-single', root: '/no/such/folder' }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      'Opening mvsa-single expected a folder /no/such/folder/data (its layout: labelResultAll.txt, data/{id}.jpg and {id}.txt), received no such folder; check the root folder that you named',
    );
    const noLabels = await folderWith(await pairFiles('data', [1]));
    await expect(openDataset({ name: 'mvsa-single', root: noLabels })).rejects.toThrow(
      /labelResultAll.txt expected a readable file, received ENOENT/,
    );
    await writeFile(join(noLabels, 'labelResultAll.txt'), '\n');
    await expect(openDataset({ name: 'mvsa-single', root: noLabels })).rejects.toThrow(
      /expected a line for each post, received an empty file/,
    );
    await expect(openDataset({ name: 'mvsa-single' })).rejects.toThrow(ConfigurationError);
    await expect(openDataset({ name: 'mvsa-single' })).rejects.toThrow(
      'Data set mvsa-single expected its root folder, received none; pass root (--root DIR)',
    );
  });
});

describe('MVSA-Multiple in its published layout', () => {
  it('takes two of three annotators per modality, then the label rule', async () => {
    const labels = [
      'ID\ttext,image\ttext,image\ttext,image',
      '1\tpositive,neutral\tpositive,neutral\tnegative,positive', // positive + neutral → positive
      '2\tneutral,negative\tnegative,negative\tneutral,neutral', // neutral + negative → negative
      '3\tpositive,negative\tpositive,negative\tpositive,positive', // positive + negative → dropped
      '4\tpositive,positive\tneutral,positive\tnegative,positive', // no majority for the text
      '5\tneutral,neutral\tneutral,neutral', // two annotators only
    ];
    const dataset = await openDataset({
      name: 'mvsa-multiple',
      root: await mvsa(labels.join('\r\n'), [1, 2, 3, 4, 5]),
    });
    expect(dataset.records.map(({ id, label }) => [id, dataset.classes[label]])).toEqual([
      ['1', 'positive'],
      ['2', 'negative'],
    ]);
    expect(reasons(dataset)).toEqual({ 'conflicting labels': ['3'], 'no majority label': ['4'], 'bad row': ['5'] });
    expect(dataset.ledger.dropped.find((row) => row.id === '5')?.detail).toContain(
      '3 tab-separated "text,image" label pairs',
    );
  });
});

describe('encodings of folders', () => {
  const gb = (bytes: readonly number[]) => Uint8Array.from([0x61, 0x20, ...bytes, 0x20, 0x0a]);
  const laugh = [0xd0, 0xa6]; // 笑 in GB18030, and right UTF-8
  const accent = [0xa8, 0xa6]; // é in GB18030, no UTF-8
  const single = async (texts: readonly (string | Uint8Array)[], options: Partial<OpenOptions> = {}) => {
    const ids = texts.map((_, index) => index + 1);
    const labels = ids.map((id) => `${id}\tneutral,neutral`).join('\n');
    const files = Object.fromEntries(texts.map((text, index) => [`data/${index + 1}.txt`, text]));
    return openDataset({ name: 'mvsa-single', root: await mvsa(labels, ids, files), ...options });
  };
  const textsOf = (dataset: Dataset) =>
    Promise.all(dataset.records.map((record) => dataset.readText(record).catch(({ message }: Error) => message)));
  const notes = ({ ledger }: Dataset) => ledger.toJSON().notes.map(({ message, ids }) => [message, ids]);

  it('MVSA-Single is GB18030 as a whole, a text that happens to be UTF-8 included', async () => {
    const dataset = await single([gb(laugh), ...Array.from({ length: 12 }, () => gb(accent)), 'plain']);
    const texts = await textsOf(dataset);
    expect([texts[0], texts[1], texts[13]]).toEqual(['a 笑', 'a é', 'plain']);
    expect(notes(dataset)).toEqual([['texts are read as GB18030 (found out; --dataset.encoding names another)', []]]);
  });

  it('MVSA-Single saved as UTF-8 is UTF-8, the few texts that are not by themselves', async () => {
    const dataset = await single(['café', 'für', 'day 😀…', Uint8Array.of(0x63, 0xe9, 0x20, 0x92)]);
    expect(await textsOf(dataset)).toEqual(['café', 'für', 'day 😀…', 'cé ’']);
    expect(notes(dataset)).toEqual([
      ['texts are read as UTF-8 (found out; --dataset.encoding names another)', []],
      ['a text that is not UTF-8, read as windows-1252', ['4']],
    ]);
    expect(await textsOf(await single(['one text “alone”']))).toEqual(['one text “alone”']);
  });

  it('an encoding that is named holds for all', async () => {
    const dataset = await single(['café', 'für'], { encoding: 'gb18030' });
    expect([await textsOf(dataset), notes(dataset)]).toEqual([['caf茅', 'f眉r'], []]);
    expect((await textsOf(await single([gb(accent)], { encoding: 'utf-8' })))[0]).toMatch(
      /UTF-8 text, received 0xa8 at byte 2; save it/,
    );
  });

  it('MVSA-Multiple is UTF-8 first, then GB18030 or windows-1252 text by text', async () => {
    const texts = { 'data/1.txt': 'women’s …', 'data/2.txt': gb([...accent, ...laugh]), 'data/3.txt': Uint8Array.of(0x77, 0x92, 0x73), 'data/4.txt': 'plain' }; // prettier-ignore
    const labels = [1, 2, 3, 4].map((id) => `${id}${'\tneutral,neutral'.repeat(3)}`).join('\n');
    const dataset = await openDataset({ name: 'mvsa-multiple', root: await mvsa(labels, [1, 2, 3, 4], texts) });
    expect(await textsOf(dataset)).toEqual(['women’s …', 'a é笑', 'w’s', 'plain']);
    expect(notes(dataset).slice(1)).toEqual([
      ['a text that is not UTF-8, read as gb18030', ['2']],
      ['a text that is not UTF-8, read as windows-1252', ['3']],
    ]);
  });
});

describe('TumEmo in its published layout', () => {
  const labels = 'id label\n11 Happy\n12 Sad\n13 Glad\n14 Fear\n';

  it('reads labels, UTF-8 texts and images of one folder', async () => {
    const files = { ...(await pairFiles('all_data', [11, 12])), 'all_data/12.txt': 'tränen' };
    const dataset = await openDataset({
      name: 'tumemo',
      root: await folderWith({ 'all_data_id_and_label.txt': labels, ...files }),
    });
    expect(dataset.classes).toEqual(['angry', 'bored', 'calm', 'fear', 'happy', 'love', 'sad']);
    expect(dataset.records.map(({ id, label }) => [id, dataset.classes[label]])).toEqual([['11', 'happy'], ['12', 'sad']]); // prettier-ignore
    expect(reasons(dataset)).toEqual({ 'bad row': ['13'], 'missing image and text': ['14'] });
    expect(await dataset.readText(dataset.records[1]!)).toBe('tränen');
  });

  it('finds texts beside the label file too', async () => {
    const files = {
      'all_data_id_and_label.txt': labels,
      'all_data/11.jpg': await smallJpeg(11),
      '11.txt': 'in the root',
    };
    const dataset = await openDataset({ name: 'tumemo', root: await folderWith(files) });
    expect(await dataset.readText(dataset.records[0]!)).toBe('in the root');
  });
});
