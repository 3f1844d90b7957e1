import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ExperimentConfig } from '@drf/experiment';
import { contentHash, type Storage } from '@drf/files';
import { publishPlan, readPlan, type Plan, type PublishedPlan, type Unit } from '@drf/units';
import type { TaskSetting } from './perform.js';
import {
  experimentName,
  nameFeatures,
  nameTraining,
  RESULT_VERSION,
  type EncodedSets,
  type ExperimentFacts,
  type FactsByName,
  type FeatureTask,
  type TrainingTask,
} from './tasks.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };

/** The version of the code whose units give equal results. */
export const GRID_CODE = `drf ${version}, results ${RESULT_VERSION}`;

/** Below the grid's folder. */
const OUTPUTS = 'units';
const PLANS = 'plans';

/** What a unit of a grid does. */
export type GridTask = { readonly encode: readonly FeatureTask[] } | { readonly train: TrainingTask };

/** What an encoding leaves as its output; the features themselves go into the cache. */
export interface EncodedMarker {
  /** Messages about posts that cannot be read, of each set. */
  readonly unreadable: readonly (readonly string[])[];
}

/** What units of a grid share. */
export interface GridSettings {
  /** Folder of the feature cache, absolute. */
  readonly cache: string;
  /** That of the program that plans, which paths of experiments are relative to. */
  readonly workingFolder: string;
  readonly split: TaskSetting['split'];
  /** By {@link experimentName}: what decides results, which a unit must find as it was when addresses were computed. */
  readonly experiments: Readonly<
    Record<string, { readonly config: ExperimentConfig; readonly facts: ExperimentFacts }>
  >;
}

/** Whether a unit's output is a training, rather than the marker of an encoding. */
export function isTraining(path: string): boolean {
  return path.endsWith('.safetensors');
}

/**
 * The units of a grid: intact features of each data set; then, of each seed, what disruptions make of them; then the
 * trainings. Sets that share contents are one unit, which encodes them in their order: the last digits of a text's
 * features depend on whether it is encoded alone or among others, so it must not depend on who is faster.
 */
export function gridUnits(
  features: readonly FeatureTask[],
  trainings: readonly TrainingTask[],
  encoded: EncodedSets,
  cache: string,
): Unit[] {
  const groups = new Map<string, FeatureTask[]>();
  for (const task of features) {
    const { dataset, encoders, seed } = task.config;
    const posts = { ...dataset, fold: undefined, folds: undefined };
    const key = JSON.stringify([posts, encoders, task.strategy.kind === 'none' ? null : seed]);
    groups.set(key, [...(groups.get(key) ?? []), task]);
  }
  const encodings = [...groups.values()].map((tasks): Unit => {
    const address = contentHash('drf-encode-unit/1', cache, ...tasks.map((task) => encoded.nameOf(task)));
    const { strategy } = tasks[0] as FeatureTask;
    const stage = strategy.kind === 'none' ? 0 : 1;
    return { ...unitOf(address, 'json', nameFeatures(tasks), { encode: tasks }), stage };
  });
  return [
    ...encodings,
    ...trainings.map((task): Unit => {
      const { identity, experiment, fold, method, without, keepFeatures, cells } = task;
      const names = JSON.stringify([experiment, fold, method, without, keepFeatures]);
      const asked = cells.map((cell) => cell.identity);
      const address = contentHash('drf-train-unit/1', identity, String(RESULT_VERSION), names, ...asked);
      return { ...unitOf(address, 'safetensors', nameTraining(task), { train: task }), stage: 2 };
    }),
  ];
}

function unitOf(address: string, extension: string, label: string, input: GridTask): Omit<Unit, 'stage'> {
  return { address, output: `${OUTPUTS}/${address}.${extension}`, label, input };
}

/** What all units need to know, of the experiments that trainings are of. */
export function gridSettings(
  trainings: readonly TrainingTask[],
  facts: FactsByName,
  { cache, split }: Pick<GridSettings, 'cache' | 'split'>,
  described: ReadonlyMap<string, ExperimentConfig>,
): GridSettings {
  const names = [...new Set(trainings.map(experimentName))];
  const experiments = names.map((name) => [
    name,
    { config: described.get(name) as ExperimentConfig, facts: facts.get(name) as ExperimentFacts },
  ]);
  return {
    cache,
    workingFolder: process.cwd(),
    split,
    experiments: Object.fromEntries(experiments) as GridSettings['experiments'],
  };
}

/**
 * Publishes a plan; or takes up an earlier one that does the same and no more, so that an engine that is still at work on
 * it, when its submitter was ended, goes on.
 */
export async function publishOnce(storage: Storage, plan: Plan): Promise<PublishedPlan> {
  const there = new Set(await pathsBelow(storage, OUTPUTS));
  const due = new Set(plan.units.map(({ address }) => address));
  const { kind, code, resources, settings } = plan;
  const wanted = JSON.parse(JSON.stringify({ kind, code, resources, settings })) as Omit<Plan, 'units'>;
  for (const earlier of await plansIn(storage)) {
    const { kind, code, resources, settings, units } = earlier;
    if (!isDeepStrictEqual({ kind, code, resources, settings }, wanted)) continue;
    const known = new Set(units.map(({ address }) => address));
    const isEnough = [...due].every((address) => known.has(address));
    if (isEnough && units.every(({ address, output }) => due.has(address) || there.has(output))) return earlier;
  }
  return publishPlan(storage, plan);
}

/** Outputs that lie in a grid's folder, of whatever plan. */
export function outputsIn(storage: Storage): Promise<string[]> {
  return pathsBelow(storage, OUTPUTS);
}

/** Removes outputs, and plans that have no others, with what engines keep beside them. */
export async function removeDone(storage: Storage, outputs: ReadonlySet<string>): Promise<void> {
  const beside = await pathsBelow(storage, PLANS);
  for (const { units, hash } of await plansIn(storage)) {
    if (!units.every(({ output }) => outputs.has(output))) continue;
    for (const path of beside) if (path.startsWith(`${PLANS}/${hash}`)) await storage.remove(path);
  }
  for (const output of outputs) await storage.remove(output);
  for (const folder of [PLANS, OUTPUTS]) {
    const isEmpty = (await pathsBelow(storage, folder)).length === 0;
    if (isEmpty && storage.folder !== null) await rm(join(storage.folder, folder), { recursive: true, force: true });
  }
}

async function plansIn(storage: Storage): Promise<PublishedPlan[]> {
  const paths = await pathsBelow(storage, PLANS);
  const plans = paths.map((path) => readPlan(`${storage.location}/${path}`).catch(() => undefined));
  return (await Promise.all(plans)).filter((plan) => plan !== undefined);
}

async function pathsBelow(storage: Storage, folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of storage.list(folder)) paths.push(path);
  return paths;
}
