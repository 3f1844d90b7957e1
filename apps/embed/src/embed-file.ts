import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { countUnlabeledPosts } from '@drf/datasets';
import { embedPosts, type Embedder, type EmbedOptions } from '@drf/experiment';
import { lockFile, rejectedPath, RejectedRows } from '@drf/files';
import { ConfigurationError, MODALITIES, refuser, type Modality } from '@drf/tensor';
import { featureFormat, idsPath, openFeatureFile } from './feature-file.js';

/** What is embedded, and where its features go. */
export interface EmbedFileOptions extends Omit<EmbedOptions, 'except'> {
  readonly embedder: Embedder;
  /** A file of posts, or a folder of images and texts. */
  readonly input: string;
  /** Ends in `.parquet` or `.safetensors`. */
  readonly out: string;
  readonly overwrite: boolean;
  readonly onCounting?: () => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly onRejected?: (row: number, detail: string) => void;
}

/** What came of it. */
export interface EmbedFileResult {
  readonly outcome: 'finished' | 'interrupted';
  /** Rows dealt with. */
  readonly rows: number;
  readonly embedded: number;
  readonly rejected: number;
  /** Embedded posts that have an image, and a text. */
  readonly present: Readonly<Record<Modality, number>>;
  /** Width of each feature. */
  readonly widths: Embedder['widths'];
  readonly origin: Embedder['origin'];
  readonly out: string;
  /** The file of ids beside a safetensors file. */
  readonly ids: string | null;
  /** The side file, if any row was rejected. */
  readonly rejectedFile: string | null;
}

/**
 * Writes the features of posts, one after the other, with memory for a few dozen posts and one row group. The files appear
 * whole or not at all; what was encoded before an interruption is in the feature cache.
 * @throws ConfigurationError for an output that exists, and an ending that is unknown; DataError when the input cannot be
 *   opened, or another process writes the same output
 */
export async function embedFile(options: EmbedFileOptions): Promise<EmbedFileResult> {
  const { out } = options;
  featureFormat(out);
  await mkdir(dirname(resolve(out)), { recursive: true });
  const lock = await lockFile(`${out}.lock`, `--out ${out}`);
  try {
    return await embedLocked(options);
  } finally {
    await lock.release();
  }
}

async function embedLocked(options: EmbedFileOptions): Promise<EmbedFileResult> {
  const { embedder, input, out, overwrite, signal } = options;
  if (!overwrite && (await stat(out).catch(() => undefined)) !== undefined) {
    const remedy = 'choose another name, or replace it with --overwrite';
    throw refuser(ConfigurationError, `--out ${out}`)('a file that does not exist yet', 'one that does', remedy);
  }
  const reading = { ...options, except: out };
  options.onCounting?.();
  const total = await countUnlabeledPosts(input, reading);
  const counts = { rows: 0, embedded: 0, rejected: 0, present: { image: 0, text: 0 } };
  const resultOf = (outcome: EmbedFileResult['outcome']): EmbedFileResult => ({
    outcome,
    ...counts,
    widths: embedder.widths,
    origin: embedder.origin,
    out,
    ids: featureFormat(out) === '.safetensors' ? idsPath(out) : null,
    rejectedFile: counts.rejected > 0 ? rejectedPath(out) : null,
  });
  const file = await openFeatureFile(out, featureFormat(out), embedder);
  const rejected = await RejectedRows.create(out);
  try {
    for await (const post of embedPosts(embedder, input, reading)) {
      counts.rows++;
      if (post.error !== undefined) {
        counts.rejected++;
        options.onRejected?.(post.row, post.error.detail);
        await rejected.add({ row: post.row, id: post.id, ...post.error });
      } else {
        counts.embedded++;
        for (const modality of MODALITIES) if (post.features[modality] != null) counts.present[modality]++;
        await file.add(post);
      }
      options.onProgress?.(counts.rows, total);
    }
    await rejected.end();
    await file.end();
    return resultOf('finished');
  } catch (error) {
    await file.discard();
    await rejected.discard();
    if (signal?.aborted === true && error === signal.reason) return resultOf('interrupted');
    throw error;
  }
}
