import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { openDataset, RowError } from '@drf/datasets';
import { readJson, writeJsonAtomic } from '@drf/files';
import { ConfigurationError, createRandom, DataError, UnavailableError, type ProductType } from '@drf/tensor';
import type { ClientPost } from '../serve/posts.js';
import { measureCommand } from './measure-command.js';
import type { Run, Size } from './turns.js';

/** The program as users start it. */
export const PROGRAM = fileURLToPath(new URL('../../../../packages/drf/dist/bin.js', import.meta.url));

export interface WorkplaceOptions {
  /** Where everything goes; a folder that is empty. */
  readonly folder: string;
  /** Labeled posts; without, drawn ones. */
  readonly data?: string;
  /** Folder that image paths of `data` are relative to, and outside of which nothing is read. Default: that of the file. */
  readonly root?: string;
  /** Posts of the largest table; those that are to be had are repeated until there are so many. */
  readonly posts: number;
  /** Posts by which settings are compared; 0: they are not. */
  readonly some: number;
  /** Model folders in the layout of Hugging Face's transformers. */
  readonly imageEncoder: string;
  readonly textEncoder: string;
  /** Side of the images that the image encoder reads; without, as its files say. */
  readonly imageSize?: number;
  /** Of the products of our encoders; the peer's stay in float32. Default float32. */
  readonly precision?: ProductType;
  readonly seed: number;
}

/** Posts in a file of JSON Lines (id, text, image, label), by how many of them a task takes. */
export type Tables = Readonly<Record<Size, { readonly path: string; readonly posts: number }>>;

/** What both sides work on. */
export interface Workplace {
  readonly folder: string;
  readonly options: WorkplaceOptions;
  /** As many posts as were asked for; posts that differ, of which each has its image, its text, or both. */
  readonly tables: { readonly posts: Tables; readonly distinct: Tables; readonly image: Tables; readonly text: Tables };
  /** A run over our encoders. */
  readonly run: string;
  /** What the peer computes with: exported encoders and head, and how features are made. */
  readonly models: string;
  /** Some of the posts as clients have them. */
  readonly clientPosts: readonly ClientPost[];
}

interface TableRow {
  readonly id: string;
  readonly text: string | null;
  readonly image: string | null;
  readonly label: string;
}

const FEW = 8;
/** A head is trained on so many posts at most: how good it is does not matter here. */
const TRAINING_POSTS = 500;
const CLIENT_POSTS = 200;

/** Runs a command of the program. @throws UnavailableError where nothing is built, or with what it printed when it fails */
export function runOurs(args: readonly string[]): Promise<Omit<Run, 'posts'> & { readonly stdout: string }> {
  if (!existsSync(PROGRAM)) {
    throw new UnavailableError({ subject: 'bench pipeline', expected: 'the built program', received: `no file ${PROGRAM}`, remedy: 'build first: pnpm build' }); // prettier-ignore
  }
  return measureCommand(process.execPath, [PROGRAM, ...args]);
}

/** The options by which a command opens our encoders. */
export function encoderFlags({
  imageEncoder,
  textEncoder,
  imageSize,
  precision = 'float32',
}: WorkplaceOptions): string[] {
  return [
    ...['--encoders.image', resolve(imageEncoder), '--encoders.text', resolve(textEncoder)],
    ...(imageSize === undefined ? [] : ['--encoders.image-size', String(imageSize)]),
    ...['--encoders.precision.image', precision, '--encoders.precision.text', precision],
  ];
}

/**
 * Writes tables of posts, trains a run over the encoders, and exports it for the peer.
 * @throws UnavailableError for a model that is not there; DataError for posts that cannot be read
 */
export async function prepareWorkplace(
  options: WorkplaceOptions,
  onStep: (step: string) => void = () => undefined,
): Promise<Workplace> {
  const { folder, imageEncoder, textEncoder } = options;
  for (const encoder of [imageEncoder, textEncoder]) assertModel(encoder);
  await mkdir(folder, { recursive: true });
  onStep('writing posts');
  const rows = await writePosts(options);
  const { posts, tables } = await writeTables(options, rows);
  onStep('training a run');
  const train = async (precision: ProductType): Promise<string> => {
    const run = join(folder, `run-${precision}`);
    await runOurs(['train', '--data', posts, ...encoderFlags({ ...options, precision }), '--training.epochs', '1', '--out', run, '--cache', join(folder, 'cache'), '--quiet']); // prettier-ignore
    return run;
  };
  const exported = await train('float32');
  const run = options.precision === 'int8' ? await train('int8') : exported;
  onStep('exporting it');
  const models = await exportModels(options, exported);
  const readable = rows.slice(0, CLIENT_POSTS);
  const clientPosts = await Promise.all(readable.map(async ({ text, image }): Promise<ClientPost> => ({ text, image: image === null ? null : await readFile(join(folder, image)) }))); // prettier-ignore
  return { folder, options, tables, run, models, clientPosts };
}

function assertModel(folder: string): void {
  if (existsSync(join(folder, 'config.json'))) return;
  throw new UnavailableError({
    subject: 'bench pipeline',
    expected: `a model in the folder ${folder}`,
    received: 'no config.json there',
    remedy: 'fetch both: node scripts/fetch-dinov2.mjs && node scripts/fetch-minilm.mjs; or name others by --image-encoder and --text-encoder',
  }); // prettier-ignore
}

/** Copies the posts that can be read into the folder, at most as many as were asked for, in an order of the seed. */
async function writePosts({ folder, data, root, posts, seed }: WorkplaceOptions): Promise<readonly TableRow[]> {
  const file = data ?? (await drawPosts(folder, posts, seed));
  const dataset = await openDataset({ name: 'posts', file, ...(root === undefined ? {} : { root }) });
  const random = createRandom(seed).fork('pipeline');
  await mkdir(join(folder, 'images'), { recursive: true });
  const rows: TableRow[] = [];
  for (const record of random.shuffle(dataset.records)) {
    if (rows.length === posts) break;
    const post = await dataset.read(record).catch((error: unknown) => {
      if (error instanceof RowError) return undefined; // left out on both sides
      throw error;
    });
    if (post === undefined) continue;
    const id = String(rows.length);
    let image: string | null = null;
    if (record.image !== null) {
      image = `images/${id}.jpg`;
      const bytes = await record.image.bytes();
      const whole = data === undefined ? await asPhoto(bytes, random.fork(id).integer(801)) : bytes;
      await writeFile(join(folder, image), whole);
    }
    rows.push({ id, text: post.text, image, label: dataset.classes[record.label] as string });
  }
  if (rows.length > 2 * FEW) return rows;
  throw new DataError({ subject: file, expected: `more than ${2 * FEW} posts that can be read`, received: String(rows.length) }); // prettier-ignore
}

/** Posts as `pnpm data sample` draws them. @returns the table */
async function drawPosts(folder: string, posts: number, seed: number): Promise<string> {
  const out = join(folder, 'drawn');
  await runOurs(['data', 'sample', '--out', out, '--posts', String(Math.max(10, posts)), '--seed', String(seed), '--quiet']); // prettier-ignore
  return join(out, 'posts.csv');
}

/** A drawing as a JPEG of a photo's size: its longer side has 400 to 1,200 pixels, its sides are as 4 to 3. */
function asPhoto(bytes: Uint8Array, further: number): Promise<Buffer> {
  const width = 400 + further;
  return sharp(bytes)
    .resize(width, Math.round(0.75 * width), { fit: 'fill', kernel: 'cubic' })
    .flatten({ background: '#ffffff' })
    .jpeg({ quality: 85 })
    .toBuffer();
}

/** @returns the table with labels that a training takes, too */
async function writeTables(
  { folder, posts, some }: WorkplaceOptions,
  rows: readonly TableRow[],
): Promise<{ readonly posts: string; readonly tables: Workplace['tables'] }> {
  const repeated = Array.from({ length: posts }, (_, i) => ({ ...(rows[i % rows.length] as TableRow), id: String(i) }));
  const write = async (name: string, all: readonly TableRow[]): Promise<Tables> => {
    const counts = { few: FEW, some: Math.min(some, all.length), all: all.length };
    const entries = Object.entries(counts).map(async ([size, count]) => {
      const path = join(folder, `${name}-${size}.jsonl`);
      await writeFile(path, all.slice(0, count).map((row) => `${JSON.stringify(row)}\n`).join('')); // prettier-ignore
      return [size, { path, posts: Math.min(count, all.length) }] as const;
    });
    return Object.fromEntries(await Promise.all(entries)) as Tables;
  };
  const tables = {
    posts: await write('posts', repeated),
    distinct: await write('distinct', rows),
    image: await write('image', rows.flatMap((row) => (row.image === null ? [] : [{ ...row, text: null }]))),
    text: await write('text', rows.flatMap((row) => (row.text === null ? [] : [{ ...row, image: null }]))),
  }; // prettier-ignore
  const training = await write('training', rows.slice(0, TRAINING_POSTS));
  return { posts: training.all.path, tables };
}

interface Card {
  readonly labels: readonly string[];
  readonly model: { readonly dim: number };
  readonly queues: { readonly capacity: number };
  readonly encoders: Readonly<Record<'image' | 'text', string>>;
  readonly calibration: { readonly temperature: { readonly temperature: number } | null } | null;
  readonly preprocessing: { readonly image: { readonly decodedSize: number } };
  readonly files: { readonly 'head.onnx': { readonly inputs: readonly { readonly name: string; readonly shape: readonly [string, number] }[] } }; // prettier-ignore
}

/** Encoders and head as ONNX and safetensors. @returns the path of `models.json` */
async function exportModels(options: WorkplaceOptions, run: string): Promise<string> {
  const { folder, imageEncoder, textEncoder, imageSize } = options;
  const exported = (name: string): string => join(folder, 'exported', name);
  await runOurs(['export', run, '--out', exported('head')]);
  const image = imageSize === undefined ? imageEncoder : await modelOfSize(imageEncoder, imageSize, join(folder, 'image-encoder')); // prettier-ignore
  await runOurs(['export', 'encoder', resolve(image), '--modality', 'image', '--out', exported('image')]);
  await runOurs(['export', 'encoder', resolve(textEncoder), '--modality', 'text', '--out', exported('text')]);
  const card = (await readJson(join(exported('head'), 'card.json'))) as Card;
  const text = (await readJson(join(textEncoder, 'config.json'))) as { readonly max_position_embeddings: number };
  const path = join(folder, 'models.json');
  await writeJsonAtomic(path, {
    labels: card.labels,
    head: join(exported('head'), 'head.onnx'),
    temperature: card.calibration?.temperature?.temperature ?? 1,
    dim: card.model.dim,
    capacity: card.queues.capacity,
    image: {
      folder: exported('image'),
      decodedSize: card.preprocessing.image.decodedSize,
      ...featureOf(card, 'image'),
    },
    text: { folder: exported('text'), tokens: text.max_position_embeddings, ...featureOf(card, 'text') },
  });
  return path;
}

/** How a modality's feature is made of hidden states, as the encoder's id says it, and how wide it is. */
function featureOf(
  { encoders, files }: Card,
  modality: 'image' | 'text',
): Readonly<Record<string, string | number | boolean>> {
  const id = encoders[modality];
  const choices = id.split(':');
  const pooling = ['cls', 'mean'].find((each) => choices.includes(each));
  if (pooling === undefined) {
    throw new ConfigurationError({ subject: `bench pipeline, ${modality} encoder`, expected: 'features by the pooling cls or mean, which the peer knows', received: id, remedy: 'take another encoder' }); // prettier-ignore
  }
  const width = files['head.onnx'].inputs.find(({ name }) => name === modality)?.shape[1] as number;
  const tokens = /:tokens(\d+)/.exec(id)?.[1];
  return {
    pooling,
    unit: choices.includes('unit'),
    width,
    ...(tokens === undefined ? {} : { tokens: Number(tokens) }),
  };
}

/** A copy of an image encoder whose files say that it reads images of another size; what is cut off stays in proportion. */
async function modelOfSize(model: string, side: number, out: string): Promise<string> {
  await cp(model, out, { recursive: true });
  const path = join(out, 'preprocessor_config.json');
  const config = (await readJson(path)) as { readonly size: Readonly<Record<string, number>>; readonly crop_size?: { readonly height: number } }; // prettier-ignore
  const of = config.crop_size?.height ?? config.size['height'] ?? side;
  const size = Object.fromEntries(Object.entries(config.size).map(([name, length]) => [name, Math.round((length * side) / of)])); // prettier-ignore
  await writeJsonAtomic(path, { ...config, size, ...(config.crop_size === undefined ? {} : { crop_size: { height: side, width: side } }) }); // prettier-ignore
  return out;
}

/** Where a run of a side writes. */
export function outputOf({ folder }: Workplace, ...words: readonly string[]): string {
  return join(folder, 'output', words.join('-'));
}

/** Makes the folder that a path lies in. */
export async function makeRoomFor(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  return path;
}
