import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { afterAll, beforeAll } from 'vitest';
import { datasetContract } from './dataset.contract.js';
import { openDataset } from './index.js';
import { pairFiles, smallJpeg } from './testing/folders.js';

const root = mkdtempSync(join(tmpdir(), 'drf-contract-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const single = 'ID\ttext,image\n1\tneutral,positive\n2\tpositive,negative\n3\tnegative,negative\n4\tx\n';
const multiple = 'ID\tt,i\tt,i\tt,i\n1\tneutral,positive\tpositive,positive\tpositive,negative\n2\tx\n';
const columns = [
  { name: 'id', data: ['1', '2', '3'], type: 'STRING' as const },
  { name: 'text', data: ['a', null, 'c'], type: 'STRING' as const },
  { name: 'image', data: ['data/1.jpg', 'data/2.jpg', null], type: 'STRING' as const },
  { name: 'label', data: ['x', 'y', 'x'], type: 'STRING' as const },
];

beforeAll(async () => {
  const files: Record<string, string | Uint8Array> = {
    ...(await pairFiles('single/data', [1, 2, 3, 4])),
    'single/labelResultAll.txt': single,
    ...(await pairFiles('multiple/data', [1, 2])),
    'multiple/labelResultAll.txt': multiple,
    ...(await pairFiles('tumemo/all_data', [1, 2])),
    'tumemo/all_data_id_and_label.txt': 'id label\n1 Love\n2 Calm\n3 Sad\n',
    'own/data/1.jpg': await smallJpeg(1),
    'own/data/2.jpg': await smallJpeg(2),
    'own/posts.jsonl':
      '{"id":1,"text":"a","image":"data/1.jpg","label":"x","split":"train"}\n{"id":2,"text":"b","label":"y"}\n{',
    'own/posts.csv': 'id,text,image,label\n1,,data/1.jpg,x\n2,b,data/2.jpg,y\n3,c,,y\n4,d\n',
    'own/val.json':
      '[{"id":1,"text":"a","label":"positive"},{"id":2,"text":"b","emotion_label":2},{"id":3,"text":"c","label":"neutral"}]',
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  parquetWriteFile({ filename: join(root, 'own/posts.parquet'), columnData: columns });
});

const size = 8;
const folder = (name: string): string => join(root, name);
datasetContract('MVSA-Single', size, () =>
  openDataset({ name: 'mvsa-single', root: folder('single'), imageSize: size }),
);
datasetContract('MVSA-Multiple', size, () =>
  openDataset({ name: 'mvsa-multiple', root: folder('multiple'), imageSize: size }),
);
datasetContract('TumEmo', size, () => openDataset({ name: 'tumemo', root: folder('tumemo'), imageSize: size }));
for (const file of ['posts.jsonl', 'posts.csv', 'posts.parquet', 'val.json']) {
  datasetContract(`own/${file}`, size, () =>
    openDataset({ name: 'posts', file: folder(`own/${file}`), imageSize: size }),
  );
}
datasetContract('embedded', size, () =>
  openDataset({ name: 'embedded', embedded: { train: 6, val: 2, test: 3 }, imageSize: size }),
);
