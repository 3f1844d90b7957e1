import type { ExperimentFile } from '@drf/experiment';

/** The same experiment at a size that runs in seconds: to see that everything fits, not to learn anything. */
export function smokeOf(experiment: ExperimentFile): ExperimentFile {
  return {
    ...experiment,
    name: `${experiment.name}-smoke`,
    dataset: { ...experiment.dataset, limit: 24, imageSize: 32 },
    model: { ...experiment.model, dim: 8, queueCapacity: 16 },
    training: { ...experiment.training, epochs: 2, batchSize: 8 },
  };
}
