import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { methodNeeds } from '@drf/experiment';
import { contentHash, writeFileAtomic } from '@drf/files';
import type { ExperimentFacts, FeatureTask } from './messages.js';

const FOLDER = 'encoded-sets';

/**
 * Feature sets that a cache is known to hold, so that a grid that goes on need not read every post again to find that
 * nothing is missing. A name that outlives its features does no harm: what a training misses it encodes itself.
 */
export class EncodedSets {
  private constructor(
    private readonly folder: string,
    private readonly names: Set<string>,
  ) {}

  /** @param cache folder of the feature cache; it need not exist */
  static async open(cache: string): Promise<EncodedSets> {
    const folder = join(cache, FOLDER);
    return new EncodedSets(folder, new Set(await readdir(folder).catch(() => [])));
  }

  has(task: FeatureTask, facts: ExperimentFacts): boolean {
    return this.names.has(nameOf(task, facts));
  }

  /** Called once every post of a set could be encoded. */
  async add(task: FeatureTask, facts: ExperimentFacts): Promise<void> {
    const name = nameOf(task, facts);
    await writeFileAtomic(join(this.folder, name), '');
    this.names.add(name);
  }
}

/** Hash of everything that decides which rows a set has in the cache. */
function nameOf({ config, strategy, posts }: FeatureTask, facts: ExperimentFacts): string {
  const { image, text } = facts.encoders;
  const data = posts === 'training' ? facts.trainingData : facts.evaluatedData;
  const needs = JSON.stringify(methodNeeds(config));
  return contentHash('drf-feature-set/1', data, posts, image, text, strategy, String(config.seed), needs);
}
