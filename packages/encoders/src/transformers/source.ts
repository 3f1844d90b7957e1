import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DrfError, UnavailableError } from '@drf/tensor';
import { ALLOW_DOWNLOAD } from '../huggingface/fetch-model.js';
import { parseModelName } from '../huggingface/model-name.js';
import type { TransformersEncoderOptions } from './options.js';

/** Where a model's files are, and how to speak of it. */
export interface ModelSource {
  /** An absolute folder or a hub id. */
  readonly name: string;
  /** Where the model's files are, or will be once they were fetched. */
  readonly folder: string;
  readonly isFolder: boolean;
}

/**
 * Tells a folder from a hub id: what exists as a folder is one, and so is what looks like a path.
 * @throws UnavailableError for a path without a folder, ConfigurationError for what is neither
 */
export function findSource(options: TransformersEncoderOptions, defaultCacheDir: string): ModelSource {
  const { model, revision = 'main', cacheDir = defaultCacheDir } = options;
  const parsed = parseModelName(model, {
    subject: 'createTransformersEncoder, model,',
    folderHolds: 'config.json and onnx/',
    exampleId: 'Xenova/clip-vit-base-patch32',
  });
  if ('folder' in parsed) return { name: parsed.folder, folder: parsed.folder, isFolder: true };
  const folder = join(resolve(cacheDir), model, revision === 'main' ? '' : revision); // as the library lays it out
  return { name: model, folder, isFolder: false };
}

/** The first of the files that is not there yet. */
export function absentFile(source: ModelSource, files: readonly string[]): string | undefined {
  return files.find((file) => !existsSync(join(source.folder, file)));
}

/** @throws UnavailableError naming the first of the files that are not there, for when the hub is not to be asked. */
export function assertFiles(source: ModelSource, files: readonly string[]): void {
  const absent = absentFile(source, files);
  if (absent === undefined) return;
  throw new UnavailableError({
    subject: source.isFolder ? `model folder ${source.name}` : `model ${source.name} in the cache ${source.folder}`,
    expected: `the file ${absent}`,
    received: 'no such file',
    remedy: source.isFolder
      ? 'export the model in the layout of transformers.js (config.json, tokenizer or preprocessor files, onnx/)'
      : ALLOW_DOWNLOAD,
  });
}

/** Turns what the library throws while it loads a model into an error that says which file and what to do. */
export function loadFailure(source: ModelSource, files: readonly string[], error: unknown): Error {
  if (error instanceof DrfError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const absent = absentFile(source, files);
  if (absent === undefined) {
    const subject = `model ${source.name}`;
    const remedy = 'delete its files and fetch or export it again';
    return new UnavailableError({ subject, expected: 'files that load', received: message, remedy }, { cause: error });
  }
  return new UnavailableError(
    {
      subject: `model ${source.name}`,
      expected: `the file ${absent} at ${join(source.folder, absent)} or on the Hugging Face hub`,
      received: reason(message, error),
      remedy:
        'check the id, the revision and the network, or copy the model to a folder and name that folder as the model',
    },
    { cause: error },
  );
}

function reason(message: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${message}${cause}`;
}

/** SHA-256 over those of the files that exist, shortened: the part of an encoder's id that follows the files. */
export async function fingerprint(source: ModelSource, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    const path = join(source.folder, file);
    if (!existsSync(path)) continue;
    hash.update(`${file}:${statSync(path).size}:`);
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  }
  return hash.digest('hex').slice(0, 12);
}
