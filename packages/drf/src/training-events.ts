import { SPLIT_NAMES, type SplitName } from '@drf/datasets';
import type { ExperimentData } from '@drf/experiment';
import type { Job } from '@drf/terminal';
import { dataWarnings, type Display } from '@drf/training';
import { startStage, type Tell, type TrainEvent } from './progress.js';

/** What training shows to people, as events. */
export function trainingEvents(tell: Tell<TrainEvent>): Display {
  const warn = (message: string): void => tell?.({ kind: 'warning', message });
  const describe = ({ dataset, splits, notes }: ExperimentData): void => {
    const counts = SPLIT_NAMES.map((name) => [name, splits[name].length] as const);
    tell?.({
      kind: 'data',
      classes: dataset.classes,
      ledger: dataset.ledger.toJSON(),
      splits: Object.fromEntries(counts) as Record<SplitName, number>,
      notes,
    });
  };
  let training: Job | undefined;
  let validating: Job | undefined;
  return {
    data: (data) => {
      describe(data);
      dataWarnings(data).forEach(warn);
    },
    decoded: describe,
    lost: () => undefined, // the error brings the ledger
    session: () => undefined,
    job: (stage, unit) => startStage(tell, stage, unit),
    warn,
    onStep: ({ step }, total) => {
      training ??= startStage(tell, 'Training', 'steps');
      training.update(step, total);
    },
    onValidation: (done, total) => {
      validating ??= startStage(tell, 'Validating', 'posts');
      validating.update(done, total);
    },
    onEpoch: (epoch, { total, parts }, val, isBest) => {
      validating = undefined;
      const validation =
        val === undefined
          ? null
          : { posts: val.count, accuracy: val.accuracy, weightedF1: val.weightedF1, macroF1: val.macroF1 };
      tell?.({ kind: 'epoch', epoch, loss: total, losses: parts, validation, isBest });
    },
    end: () => undefined,
  };
}
