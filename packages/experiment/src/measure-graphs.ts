import { measureGraphs, type MeasuredGraphs } from '@drf/baselines';
import { createRandom } from '@drf/tensor';
import { comparedOptions } from './compared-options.js';
import type { MeasurableSet } from './feature-moments.js';
import type { PostSet } from './feature-set.js';
import { withInitialFeatures } from './initial-features.js';
import { methodNeeds } from './method.js';
import type { ExperimentConfig } from './schema.js';
import type { Session } from './session.js';

/**
 * The co-occurrence graphs of the training posts, where the experiment's method reads them; of trained encoders' tokens
 * as they are before training. A run that goes on has them in its checkpoint.
 */
export async function measureExperimentGraphs(
  config: Pick<ExperimentConfig, 'method' | 'seed' | 'compared'>,
  session: Pick<Session, 'engine' | 'image' | 'text'>,
  set: PostSet,
  job?: (label: string) => { update(done: number, total: number): void; stop(): void },
): Promise<MeasuredGraphs | undefined> {
  if (config.method !== 'mgnns') return undefined;
  const progress = job?.('Building co-occurrence graphs');
  const measure = async ({ ids, image, text }: MeasurableSet): Promise<MeasuredGraphs | undefined> => {
    if (image.tokens === undefined || text.tokens === undefined) return undefined; // the method says what is missing
    const source = { posts: ids.length, image: image.tokens.gather, text: text.tokens.gather };
    const random = createRandom(config.seed).fork('graphs');
    return measureGraphs(source, comparedOptions(config), random, progress?.update);
  };
  try {
    return await withInitialFeatures(session, set, measure, undefined, methodNeeds(config));
  } finally {
    progress?.stop();
  }
}
