import { basename, dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { contentHash, type Definition } from '@drf/files';
import { encodePng } from '@drf/preprocessing';
import { DataError, ownDefinition, refuser, type RgbImage } from '@drf/tensor';
import { ContentDataset } from './content-dataset.js';
import { FileSource, InlineText, type ContentSource, type Dataset, type PostRecord } from './dataset.js';
import { Ledger, RowError } from './ledger.js';
import type { ContentOptions } from './options.js';

/** A post as a data set of the user's own gives it. */
export interface OwnPost {
  /** Each once. */
  readonly id: string;
  /** The name of its class. */
  readonly label: string;
  readonly text?: string | null;
  /** An image file's path, relative to the root; the file's bytes (JPEG, PNG, WebP, …); or its pixels. */
  readonly image?: string | Uint8Array | RgbImage | null;
  /** "train", "val" or "test". Left out: splits are drawn. */
  readonly split?: string;
}

/** What a data set of the user's own is made of. */
export interface OwnPosts {
  /** Class names in their order. Default: the labels that occur, sorted. */
  readonly classes?: readonly string[];
  readonly posts: Iterable<OwnPost> | AsyncIterable<OwnPost>;
}

/**
 * A data set in a module of the user's own, for `--dataset.name ./my-dataset.ts`.
 *
 * ```ts
 * export default {
 *   name: 'my-dataset',
 *   options: z.strictObject({ posts: z.int().min(1).default(100) }),
 *   create: ({ posts }, { root }) => ({ posts: readMyPosts(root, posts) }),
 * } satisfies DatasetDefinition;
 * ```
 */
export type DatasetDefinition<Schema extends z.ZodObject = z.ZodObject> = Definition<
  Schema,
  undefined,
  [place: { /** Of `--dataset.root`, absolute. */ readonly root: string }],
  OwnPosts | Promise<OwnPosts>
>;

/** @throws ConfigurationError for unknown modules and options; DataError where a post's form or id is not right */
export async function openOwnDataset(
  name: string,
  given: Readonly<Record<string, unknown>>,
  root: string | undefined,
  { decoding, maximumImageBytes, maximumTextBytes, onProgress }: ContentOptions,
): Promise<Dataset> {
  const { id, definition, parseOptions } = ownDefinition<DatasetDefinition>(name, 'data set');
  const folder = resolve(root ?? '.');
  const { classes, posts } = await definition.create(parseOptions(given), { root: folder });
  const ledger = new Ledger(`${id}${root === undefined ? '' : `, ${folder}`}`);
  const kept = new Map<string, { readonly post: OwnPost; readonly line: number } & Content>();
  let line = 0;
  for await (const post of posts) {
    line++;
    const subject = `${id}, post ${line}`;
    assertForm(subject, post);
    try {
      if (kept.has(post.id)) throw rowRefusal('duplicate id', subject)('each id once', `"${post.id}" again`);
      kept.set(post.id, { post, line, ...contentOf(subject, post, folder, { maximumImageBytes, maximumTextBytes }) });
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      ledger.drop({ id: post.id, line, reason: error.reason, detail: error.message });
    }
    onProgress(line, line);
  }
  const names = classes ?? [...new Set([...kept.values()].map(({ post }) => post.label))].sort();
  const records = [...kept.values()].map(({ post, ...content }): PostRecord => {
    const label = names.indexOf(post.label);
    if (label < 0) throw refuser(DataError, `${id}, post "${post.id}"`)(`a label of ${names.join(', ')}`, post.label);
    return { id: post.id, label, ...content, ...(post.split === undefined ? {} : { split: post.split }) };
  });
  ledger.keep(records.length);
  return new ContentDataset({ name: id, classes: names, records, ledger, decoding, encoding: 'utf-8' });
}

type Content = Pick<PostRecord, 'image' | 'text'>;

function assertForm(subject: string, post: OwnPost): void {
  const refuse = refuser(DataError, subject);
  const remedy = 'correct what the module yields';
  if (typeof post !== 'object' || post === null)
    throw refuse('an object { id, label, text, image }', String(post), remedy);
  for (const field of ['id', 'label'] as const) {
    if (typeof post[field] !== 'string' || post[field] === '') throw refuse(`a text as "${field}"`, String(post[field]), remedy); // prettier-ignore
  }
  const { text = null, image = null } = post;
  if (text !== null && typeof text !== 'string') throw refuse('a text or null as "text"', typeof text, remedy);
  const isImage = image === null || typeof image === 'string' || image instanceof Uint8Array || isRgb(image);
  if (!isImage) throw refuse('a path, bytes, pixels or null as "image"', typeof image, remedy);
}

function isRgb({ width, height, data }: RgbImage): boolean {
  return data instanceof Uint8Array && data.length === width * height * 3;
}

const rowRefusal =
  (reason: RowError['reason'], subject: string) =>
  (expected: string, received: string): RowError =>
    new RowError(reason, { subject, expected, received });

function contentOf(
  subject: string,
  { text = null, image = null }: OwnPost,
  folder: string,
  limits: Pick<ContentOptions, 'maximumImageBytes' | 'maximumTextBytes'>,
): Content {
  const words = text === null || text.trim() === '' ? null : text;
  if (words === null && image === null)
    throw rowRefusal('missing image and text', subject)('text or an image', 'neither');
  const length = Buffer.byteLength(words ?? '');
  if (length > limits.maximumTextBytes) {
    throw rowRefusal('text too large', subject)(`at most ${limits.maximumTextBytes} bytes`, `${length} bytes`);
  }
  return { text: words === null ? null : new InlineText(words), image: imageOf(subject, image, folder, limits) };
}

function imageOf(
  subject: string,
  image: OwnPost['image'],
  folder: string,
  { maximumImageBytes }: Pick<ContentOptions, 'maximumImageBytes'>,
): ContentSource | null {
  if (image === null || image === undefined) return null;
  if (typeof image === 'string') {
    const path = resolve(folder, image);
    return new FileSource(dirname(path), basename(path), maximumImageBytes);
  }
  if (!(image instanceof Uint8Array)) {
    const { width, height, data } = image;
    const fingerprint = contentHash(`${width}x${height}`, data);
    return { description: 'given as pixels', fingerprint, bytes: () => encodePng(image) };
  }
  if (image.length > maximumImageBytes) {
    throw rowRefusal('image too large', subject)(`at most ${maximumImageBytes} bytes`, `${image.length} bytes`);
  }
  const fingerprint = contentHash(image);
  return { description: 'given as bytes', fingerprint, bytes: () => Promise.resolve(image) };
}
