import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openDataset, type Dataset, type PostRecord } from '@drf/datasets';
import { writeFileAtomic } from '@drf/files';
import { ConfigurationError, createRandom } from '@drf/tensor';
import { finiteNumber, formatCsv, startProgress, wholeNumber, withExamples, type Command, spell } from '@drf/terminal';

export interface SampleOptions {
  /** Folder that is made. */
  readonly out: string;
  readonly posts: number;
  readonly seed: number;
  /** Share of the posts that lack their image, and of those that lack their text. */
  readonly missing: number;
  readonly onProgress?: (done: number) => void;
}

const TABLE = 'posts.csv';
const IMAGES = 'images';

/**
 * Writes a folder as people have them: `posts.csv` (columns id, text, image, label) and `images/*.png`, drawn from the
 * embedded data; some posts lack image or text.
 * @returns the table's path and how many posts have which label
 * @throws ConfigurationError when the folder holds anything
 */
export async function writeSample(options: SampleOptions): Promise<{ table: string; labels: Record<string, number> }> {
  const { out, posts, seed, missing, onProgress } = options;
  await assertEmpty(out);
  const dataset = await openDataset({ name: 'embedded', embedded: { seed, train: posts, val: 0, test: 0 } });
  const random = createRandom(seed).fork('sample');
  const temporary = `${resolve(out)}.temporary`; // so that a folder of that name is whole
  await rm(temporary, { recursive: true, force: true });
  await mkdir(join(temporary, IMAGES), { recursive: true });
  const rows: string[][] = [];
  const labels: Record<string, number> = Object.fromEntries(dataset.classes.map((name) => [name, 0]));
  for (const [index, record] of dataset.records.entries()) {
    const chance = random.fork(record.id).uniform();
    const label = dataset.classes[record.label] as string;
    const id = String(index + 1).padStart(String(posts).length, '0');
    const image = chance < missing ? '' : await writeImage(record, temporary, `${id}.png`);
    const text = chance >= 1 - missing ? '' : await textOf(dataset, record);
    rows.push([id, text, image, label]);
    labels[label] = (labels[label] as number) + 1;
    onProgress?.(index + 1);
  }
  await writeFileAtomic(join(temporary, TABLE), formatCsv(['id', 'text', 'image', 'label'], rows, { raw: true }));
  await rm(out, { recursive: true, force: true }); // it is empty
  await rename(temporary, out);
  return { table: join(out, TABLE), labels };
}

async function writeImage(record: PostRecord, folder: string, name: string): Promise<string> {
  const bytes = await record.image?.bytes();
  if (bytes === undefined) return '';
  await writeFileAtomic(join(folder, IMAGES, name), bytes);
  return `${IMAGES}/${name}`;
}

async function textOf(dataset: Dataset, record: PostRecord): Promise<string> {
  return (await dataset.readText(record)) ?? '';
}

async function assertEmpty(out: string): Promise<void> {
  const present = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw notEmpty(out, error.code ?? error.message);
  });
  if (present.length > 0) throw notEmpty(out, `one with ${present.slice(0, 3).join(', ')}`);
}

function notEmpty(out: string, received: string): ConfigurationError {
  const expected = 'a folder that does not exist yet, or is empty';
  return new ConfigurationError({ subject: `--out ${out}`, expected, received, remedy: 'choose another name' });
}

interface SampleFlags {
  readonly out: string;
  readonly posts: number;
  readonly seed: number;
  readonly missing: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** `data sample`: posts to try things out with. @param print takes what goes to standard output */
export function addSampleCommand(program: Command, print: (text: string) => void): void {
  const command = program
    .command('sample')
    .description('Writes a CSV file with images, as your own posts might be, to try things out with.')
    .requiredOption('--out <folder>', 'folder to make')
    .option('--posts <count>', 'how many', wholeNumber(10, 100_000), 200)
    .option('--seed <seed>', 'decides every post', wholeNumber(), 1)
    .option('--missing <share>', 'share of posts without image, and of posts without text', finiteNumber(0, 0.5), 0.05)
    .option('--quiet', 'no progress on standard error')
    .option('--json', 'print JSON')
    .action(async ({ quiet, json, ...options }: SampleFlags) => {
      const silent = quiet === true || json === true;
      const progress = startProgress({ label: 'Drawing', total: options.posts, unit: 'posts', silent });
      try {
        const result = await writeSample({ ...options, onProgress: (done) => progress.update(done) });
        progress.stop();
        print(json === true ? `${JSON.stringify(result)}\n` : summary(options.posts, result));
      } finally {
        progress.stop();
      }
    });
  withExamples(command, [
    [spell('data sample --out my-posts'), '200 posts in my-posts/posts.csv'],
    [spell('train --data my-posts/posts.csv'), 'what to do with them'],
  ]);
}

function summary(posts: number, { table, labels }: { table: string; labels: Record<string, number> }): string {
  const counts = Object.entries(labels).map(([name, count]) => `${name} ${count}`);
  return `${posts} posts (${counts.join(', ')}): ${table}\nTrain: ${spell(`train --data ${table}`)}\n`;
}
