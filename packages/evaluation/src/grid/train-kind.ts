import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { parseExperiment, readVersions, type ExperimentConfig } from '@drf/experiment';
import { DataError, refuser, UnavailableError } from '@drf/tensor';
import {
  availableResources,
  type PublishedPlan,
  type Unit,
  type UnitKind,
  type UnitSurroundings,
  type UnitWorker,
} from '@drf/units';
import { encodeTraining } from '../store/record-file.js';
import { Workspace } from '../workspace.js';
import { describeExperiment, encodeFeatures, performTraining, type Surroundings, type TaskSetting } from './perform.js';
import { experimentName, type FeatureTask, type TrainingTask } from './tasks.js';
import { GRID_CODE, type EncodedMarker, type GridSettings, type GridTask } from './units.js';

/** Features in memory, as a share of what a unit is given, and of what is free. */
const SHARE_OF_OWN = 1 / 3;
const SHARE_OF_FREE = 1 / 8;

/** Units of a grid: sets of features, and trainings with their cells. */
export const trainKind: UnitKind = {
  kind: 'train',
  code: GRID_CODE,
  open: async ({ plan, threads }) => {
    const settings = plan.settings as GridSettings;
    const setting: TaskSetting = {
      folder: await sharedFolder(plan.storage.folder ?? plan.storage.location, 'of the grid (--out)'),
      cache: await sharedFolder(settings.cache, 'of the feature cache (--cache)'),
      split: settings.split,
      versions: await readVersions(),
    };
    await enter(settings.workingFolder);
    const { memoryBytes } = await availableResources();
    const featureBytes = Math.min(plan.resources.memoryBytes * SHARE_OF_OWN, memoryBytes * SHARE_OF_FREE);
    return new TrainWorker(plan, setting, settings, new Workspace({ threads, featureBytes }));
  },
};

/** @throws UnavailableError naming a folder that this machine does not see */
async function sharedFolder(path: string, what: string): Promise<string> {
  const isThere = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (isThere) return path;
  const refuse = refuser(UnavailableError, `Folder ${path} ${what}`);
  throw refuse(
    'a folder that all machines share',
    'none on this machine',
    'mount it here, or choose one that is shared',
  );
}

/** Relative paths of experiments mean what they mean to the program that planned. */
async function enter(folder: string): Promise<void> {
  if (process.cwd() !== folder) process.chdir(await sharedFolder(folder, 'that the grid was started in'));
}

class TrainWorker implements UnitWorker {
  private readonly checked = new Map<string, Promise<void>>();

  constructor(
    private readonly plan: PublishedPlan,
    private readonly setting: TaskSetting,
    private readonly settings: GridSettings,
    private readonly workspace: Workspace,
  ) {}

  async perform({ output, input }: Unit, { report, signal }: UnitSurroundings): Promise<void> {
    const surroundings: Surroundings = { workspace: this.workspace, setting: this.setting, report, signal };
    const content = await this.contentOf(input as GridTask, surroundings);
    await this.plan.storage.write(output, content, { ifAbsent: true });
  }

  private async contentOf(task: GridTask, surroundings: Surroundings): Promise<string | Uint8Array> {
    if ('train' in task) {
      await this.assertAsPlanned(task.train, surroundings);
      return encodeTraining(await performTraining(checked(task.train), surroundings));
    }
    const unreadable: string[][] = [];
    for (const [place, set] of task.encode.entries()) {
      await this.assertAsPlanned(set, surroundings);
      const report: Surroundings['report'] = ({ what, ...rest }) =>
        surroundings.report({ what: `set ${place + 1} of ${task.encode.length}, ${what}`, ...rest });
      unreadable.push(await encodeFeatures(checked(set), { ...surroundings, report }));
    }
    return `${JSON.stringify({ unreadable } satisfies EncodedMarker)}\n`;
  }

  /**
   * Addresses and identities say which posts, encoders and engine results are of, so this machine must have the same.
   * @throws DataError for others
   */
  private assertAsPlanned(task: FeatureTask | TrainingTask, surroundings: Surroundings): Promise<void> {
    const name = experimentName(task);
    const known = this.checked.get(name);
    if (known !== undefined) return known;
    const check = this.compare(name, surroundings);
    this.checked.set(name, check);
    check.catch(() => this.checked.delete(name)); // the next one tries again
    return check;
  }

  private async compare(name: string, surroundings: Surroundings): Promise<void> {
    const refuse = refuser(DataError, `Experiment ${name}`);
    const planned = this.settings.experiments[name];
    if (planned === undefined) throw refuse('to be described by the plan', 'no description', 'plan anew');
    const { config, facts } = planned;
    const found = await describeExperiment(parsed(config, name), surroundings);
    const different = (['encoders', 'engine', 'trainingData', 'evaluatedData', 'split'] as const).filter(
      (part) => !isDeepStrictEqual(found[part], facts[part]),
    );
    if (different.length === 0) return;
    const show = (own: typeof facts): string =>
      different.map((part) => `${part} ${JSON.stringify(own[part])}`).join(', ');
    const remedy = 'give all machines the same data, models and engine; run the command again if the data changed';
    throw refuse(`${show(facts)}, as planned`, `${show(found)} on this machine`, remedy);
  }

  async close(): Promise<void> {
    await this.workspace.dispose();
  }
}

/** A task whose configuration came in a plan. */
function checked<Task extends FeatureTask | TrainingTask>(task: Task): Task {
  return { ...task, config: parsed(task.config, experimentName(task)) };
}

function parsed(config: ExperimentConfig, name: string): ExperimentConfig {
  return parseExperiment(config, `Experiment ${name}`);
}
