import type { PostInput } from '@drf/judge';
import { ConfigurationError, refuser } from '@drf/tensor';
import { refuseUnknownOptions, type OptionNames } from './known-options.js';
import { LoadedModel } from './loaded-model.js';
import { loadOwnModules } from './own.js';

/** How {@link load} opens a model. */
export interface LoadOptions {
  /** Where a run computes: `auto` (default), `compiled`, `eager:wasm`, `eager:cpu` or `eager:tensorflow`. */
  readonly engine?: string;
  /** A checkpoint of the run. Default: its result. */
  readonly checkpoint?: string;
  /** Whether encoders that a run names and the cache lacks may be fetched from the Hugging Face hub. Default false. */
  readonly allowDownload?: boolean;
  /** Whether a post of each kind is judged before, so that the first call does not wait for what is made on first use. */
  readonly warm?: boolean;
  /** Modules of your own that a run asks for: files or packages whose code you trust. */
  readonly own?: readonly string[];
}

/** Of {@link load} and `openRun`. */
export const LOAD_OPTIONS: OptionNames<keyof LoadOptions> = {
  engine: true,
  checkpoint: true,
  allowDownload: true,
  warm: true,
  own: true,
};

/**
 * Opens what judges posts: the folder of a run, of an export, or several of both, which then judge together.
 *
 * ```ts
 * await using model = await load('exported');
 * const [{ label }] = await model.predict([{ text: 'What a day!' }]);
 * ```
 * @throws DataError, CheckpointError or ConfigurationError for folders that are none of these, damaged, or do not fit together
 */
export async function load(
  paths: string | readonly string[],
  options: LoadOptions = {},
): Promise<LoadedModel<PostInput>> {
  refuseUnknownOptions('load', options, LOAD_OPTIONS);
  const { own = [], ...opening } = options;
  const folders: readonly unknown[] = Array.isArray(paths) ? paths : [paths];
  if (!folders.every((path) => typeof path === 'string' && path !== '')) {
    const refuse = refuser(ConfigurationError, 'load');
    const received = folders.map((path) => (path === '' ? 'an empty text' : `a value of type ${typeof path}`));
    throw refuse('the path of a folder, or several', received.join(', '), "name one, such as load('exported')");
  }
  await loadOwnModules(own);
  const { openJudge, toPostContent } = await import('@drf/judge');
  return new LoadedModel(await openJudge(paths, opening), toPostContent);
}
