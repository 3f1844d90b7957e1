import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseStrategy } from '@drf/disruption';
import {
  encodeSimulated,
  methodNeeds,
  RunFolder,
  simulationOptions,
  withCachedStates,
  type ExperimentConfig,
} from '@drf/experiment';
import { ConfigurationError, refuser } from '@drf/tensor';
import { keepFreedMemory, train } from '@drf/training';
import { displayOf, type Surroundings } from '../grid/perform.js';
import type { TrialOutcome, TrialTask } from '../grid/tasks.js';

/**
 * Trains a trial on, by its whole configuration, so that a learning rate that falls over all epochs does so here, too.
 * Going on where it stood gives what training without a stop would have given.
 * @throws ConfigurationError where there are no validation posts
 */
export async function performTrial(
  { config, folder, epochs }: TrialTask,
  { workspace, setting, report, signal }: Surroundings,
): Promise<TrialOutcome> {
  const startedAt = performance.now();
  const path = join(setting.folder, folder);
  const begun = await RunFolder.open(path).catch(() => undefined);
  const resume = begun !== undefined && (await begun.checkpointSteps()).length > 0;
  if (!resume) await rm(path, { recursive: true, force: true }); // of a trial that was cut short, or cleared away
  await keepFreedMemory(config);
  const { selected } = await train({
    config,
    run: resume ? begun : await RunFolder.create(path, { overwrite: false }),
    resume,
    cache: setting.cache,
    display: displayOf(report),
    signal,
    ...(epochs < config.training.epochs ? { stopAfterEpochs: epochs } : {}),
    services: {
      openData: (dataset) => workspace.data(dataset),
      openDataset: (dataset) => workspace.dataset(dataset),
      startSession: (own, { recorded } = {}) => workspace.session(own, recorded),
      encode: workspace.encode,
      readVersions: () => Promise.resolve(setting.versions),
    },
  });
  signal?.throwIfAborted();
  if (selected?.validation == null) {
    throw refuser(ConfigurationError, 'Tuning')(
      'validation posts, by which options are chosen',
      'none that can be read',
      'give the validation split some: --dataset.val-fraction 0.2',
    );
  }
  return { selected, seconds: (performance.now() - startedAt) / 1000 };
}

/** Encodes what trials of a configuration read, so that the cache has it before several train side by side. */
export async function prepareTrial(
  config: ExperimentConfig,
  { workspace, setting, report, signal }: Surroundings,
): Promise<{ readonly unreadable: readonly string[] }> {
  const { dataset, splits } = await workspace.data(config.dataset);
  const session = withCachedStates(await workspace.session(config), config, setting);
  const unreadable = new Map<string, string>();
  const common = {
    dataset,
    session,
    cache: setting.cache,
    needs: methodNeeds(config),
    batchSize: config.encoders.batchSize,
    onRowError: (message: string, id: string) => void unreadable.set(id, message),
    signal,
    job: (label: string) => ({
      update: (done: number, total: number) => report({ what: label.toLowerCase(), done, total }),
      stop: () => undefined,
    }),
  };
  const strategy = parseStrategy(config.training.disruption);
  try {
    const { records } = await workspace.encode({ ...common, records: splits.train, strategy, seed: config.seed });
    await workspace.encode({ ...common, records: splits.val, strategy, seed: config.seed });
    const simulation = simulationOptions(config);
    if (simulation.share > 0) await encodeSimulated({ ...common, records }, simulation, workspace.encode);
  } finally {
    await session.dispose(); // of hidden states alone: the workspace's session stays
  }
  return { unreadable: [...unreadable.values()] };
}
