import { measureGraphs, type MeasuredGraphs, type TokenInputs } from '@drf/model';
import { createRandom, type Host } from '@drf/tensor';
import type { PostSet } from './feature-set.js';
import type { ExperimentConfig } from './schema.js';

/** The co-occurrence graphs of the training posts, where the experiment's method reads them. */
export async function measureExperimentGraphs(
  config: Pick<ExperimentConfig, 'method' | 'seed' | 'compared'>,
  set: PostSet,
  job?: (label: string) => { update(done: number, total: number): void; stop(): void },
): Promise<MeasuredGraphs | undefined> {
  const { imageTokens, textTokens, ids } = set;
  if (config.method !== 'mgnns' || imageTokens === undefined || textTokens === undefined) return undefined;
  const read = async (indices: readonly number[]): Promise<{ image: Host<TokenInputs>; text: Host<TokenInputs> }> => ({
    image: await imageTokens.gather(indices),
    text: await textTokens.gather(indices),
  });
  const progress = job?.('Building co-occurrence graphs');
  try {
    const random = createRandom(config.seed).fork('graphs');
    return await measureGraphs({ posts: ids.length, read }, config.compared, random, progress?.update);
  } finally {
    progress?.stop();
  }
}
