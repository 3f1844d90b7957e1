import {
  corruptedModality,
  formatStrategy,
  SEVERITIES,
  type CorruptionName,
  type CorruptionStrategy,
  type Strategy,
} from '@drf/disruption';
import { cellWords, simulationOptions, type TableData } from '@drf/experiment';
import { summarizeSeeds, type SeedSummary } from '@drf/metrics';
import { MODALITIES } from '@drf/tensor';
import { CLEAN, isSameStrategy } from '../cells.js';
import type { StoredCell } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';
import { NOTHING, share, signed, spread } from '../table.js';
import { cellsOf, systemName, type Condition, type Question, type Study, type System } from './compare.js';

/** How {@link robustnessTable} is read. */
export const ROBUSTNESS_LINES = [
  'Disrupted: mean accuracy over the cells that the most methods of the same training have, of the seeds that have them and the clean cell; – for a method that lacks one of them. Relative robustness: disrupted accuracy over clean accuracy, 1 less the performance drop MMI of Qiu et al. (DMLR 2023).',
  'Effective robustness (Taori et al., NeurIPS 2020): disrupted accuracy less what the clean accuracy lets expect, in points. The expectation is the least-squares line through the logits of both accuracies of the standard models: the whole methods here that were trained on intact posts without simulated disruptions, so neither drf, which simulates there by default, nor any method whose name ends in +simulation or +discriminants. Line and row are of the same cells, those of the row that the most standard models have. It needs three standard models that have them all, else –, and with few it follows each of them closely.',
];

/** Kinds of disruptions that no table of the paper's has. */
type Beyond = Extract<Strategy, { kind: 'corruption' | 'missing' }>;

const isBeyond = (strategy: Strategy): strategy is Beyond =>
  strategy.kind === 'corruption' || strategy.kind === 'missing';

/** Whether a cell is one of corruptions by severity, or of missing rates. */
export function isBeyondThePaper({ testedOn }: Condition): boolean {
  return isBeyond(testedOn);
}

/** What models were trained on that were judged in such cells, intact posts first. */
function trainingsOf(study: Study, kind: Beyond['kind']): Strategy[] {
  const all = study.cells.filter(({ testedOn }) => testedOn.kind === kind).map(({ trainedOn }) => trainedOn);
  const unique = [...new Map(all.map((own) => [formatStrategy(own), own])).values()];
  return unique.sort((one, other) => Number(one.kind !== 'none') - Number(other.kind !== 'none'));
}

/** The disruptions of a kind that were judged, each once. */
function testsOf<Kind extends Beyond['kind']>(study: Study, kind: Kind): Extract<Beyond, { kind: Kind }>[] {
  const all = study.cells.flatMap(({ testedOn }) => (testedOn.kind === kind ? [testedOn] : []));
  return [...new Map(all.map((own) => [formatStrategy(own), own])).values()] as Extract<Beyond, { kind: Kind }>[];
}

/** Mean accuracy over conditions by seed, of the seeds that have all of them. */
function seedMeans(study: Study, system: System, conditions: readonly Condition[]): Map<number, number> {
  const cells = conditions.map((condition) => cellsOf(study, system, condition));
  const means = new Map<number, number>();
  for (const { seed } of cells[0] ?? []) {
    const own = cells.flatMap((all) => all.find((cell) => cell.seed === seed)?.accuracy ?? []);
    if (own.length === cells.length) means.set(seed, own.reduce((sum, value) => sum + value, 0) / own.length);
  }
  return means;
}

/** Mean accuracy over conditions, a value for each seed that has all of them; null where none has. */
function meanOver(study: Study, system: System, conditions: readonly Condition[]): SeedSummary | null {
  const means = seedMeans(study, system, conditions);
  return means.size === 0 ? null : summarizeSeeds([...means.values()]);
}

const written = (summary: SeedSummary | null): string => (summary === null ? NOTHING : spread(summary));

/** A name of a training as tables have it. */
const trainingName = (trainedOn: Strategy): string =>
  trainedOn.kind === 'none' ? 'intact posts' : formatStrategy(trainedOn);

/** A column: its heading, and the disruptions over which it is a mean. */
type Column = readonly [head: string, tests: readonly Strategy[]];

/** Rows: methods by what they were trained on; columns: what they were tested on. */
function crossTable(
  study: Study,
  systems: readonly System[],
  trainings: readonly Strategy[],
  caption: string,
  columns: readonly Column[],
): TableData[] {
  const rows = systems.flatMap((system) =>
    trainings.flatMap((trainedOn) => {
      const means = columns.map(([, tests]) => meanOver(study, system, tests.map((testedOn) => ({ trainedOn, testedOn })))); // prettier-ignore
      const isThere = means.slice(1).some((own) => own !== null);
      return isThere ? [[systemName(system), trainingName(trainedOn), ...means.map(written)]] : [];
    }),
  );
  return rows.length === 0 ? [] : [{ caption, head: ['method', 'trained on', ...columns.map(([head]) => head)], rows }];
}

/** Such as "60 %". */
const rateOf = (value: number): string => `${share(value).replace(/\.0$/, '')} %`;

const wordsOf = (name: CorruptionName): string => name.replaceAll('_', ' ');
const namesOf = (tests: readonly { readonly corruption: CorruptionName }[]): CorruptionName[] => [
  ...new Set(tests.map(({ corruption }) => corruption)),
];

/** In which posts: nothing for all of them, else such as " in 60 % of the posts". */
function whereOf({ ratio, independent }: Pick<CorruptionStrategy, 'ratio' | 'independent'>): string {
  if (ratio === 1) return '';
  return ` in ${rateOf(ratio)} of the posts${independent === true ? ', each decided on its own' : ''}`;
}

/** Tests by the posts that they corrupt, those of every post first. */
function byPosts(tests: readonly CorruptionStrategy[]): { where: string; own: CorruptionStrategy[] }[] {
  const sorted = [...tests].sort((one, other) => other.ratio - one.ratio);
  return [...new Set(sorted.map(whereOf))].map((where) => ({
    where,
    own: sorted.filter((test) => whereOf(test) === where),
  }));
}

/** By the posts that are corrupted one table a modality of means over severities, then one of single severities. */
export function corruptionTables(study: Study, systems: readonly System[]): TableData[] {
  const groups = byPosts(testsOf(study, 'corruption'));
  const trainings = trainingsOf(study, 'corruption');
  const means = groups.flatMap(({ where, own: tests }) =>
    MODALITIES.flatMap((modality) => {
      const own = tests.filter(({ corruption, severity }) => corruptedModality(corruption) === modality && severity !== null); // prettier-ignore
      const columns = namesOf(own).map((name): Column => [wordsOf(name), own.filter((test) => test.corruption === name)]); // prettier-ignore
      if (own.length === 0) return [];
      const caption = `${modality} corrupted${where}: accuracy, mean over severities`;
      return crossTable(study, systems, trainings, caption, [['clean', [CLEAN]], ...columns, ['mean', own]]);
    }),
  );
  const single = groups.flatMap(({ where, own: tests }) =>
    namesOf(tests).flatMap((name) => {
      const own = tests.filter(({ corruption }) => corruption === name);
      const levels = [...SEVERITIES, null].flatMap((severity): Column[] => {
        const of = own.filter((test) => test.severity === severity);
        return of.length === 0 ? [] : [[severity === null ? 'drawn' : `severity ${severity}`, of]];
      });
      return crossTable(study, systems, trainings, `Accuracy by severity: ${wordsOf(name)}${where}`, [['clean', [CLEAN]], ...levels]); // prettier-ignore
    }),
  );
  return [...means, ...single];
}

/** Missing rates: the image alone, the text alone, and both in posts of their own. */
export function missingTables(study: Study, systems: readonly System[]): TableData[] {
  const tests = testsOf(study, 'missing').sort((one, other) => one.image + one.text - (other.image + other.text));
  const trainings = trainingsOf(study, 'missing');
  const kinds = [
    { what: 'image missing', tests: tests.filter(({ image, text }) => image > 0 && text === 0) },
    { what: 'text missing', tests: tests.filter(({ image, text }) => image === 0 && text > 0) },
    { what: 'image missing in some posts, text in others', tests: tests.filter(({ image, text }) => image > 0 && text > 0) }, // prettier-ignore
  ];
  return kinds.flatMap(({ what, tests: own }) => {
    if (own.length === 0) return [];
    const columns = own.map((test): Column => {
      const rates = MODALITIES.filter((modality) => test[modality] > 0).map((modality) => rateOf(test[modality]));
      return [rates.join(' + '), [test]];
    });
    return crossTable(study, systems, trainings, `Accuracy with the ${what}`, [['clean', [CLEAN]], ...columns]);
  });
}

/** Whether a system is better than others under each corruption, and under missing rates of each kind, on the mean. */
export function beyondQuestions(
  study: Study,
  kind: Beyond['kind'],
  first: System,
  others: readonly System[],
): Question[] {
  const groups = new Map<string, Condition[]>();
  for (const trainedOn of trainingsOf(study, kind)) {
    for (const testedOn of testsOf(study, kind)) {
      const what =
        testedOn.kind === 'corruption'
          ? `${wordsOf(testedOn.corruption)}${whereOf(testedOn)}${testedOn.severity === null ? ', severity drawn' : ''}`
          : `${MODALITIES.filter((modality) => testedOn[modality] > 0).join(' and ')} missing`;
      const name = trainedOn.kind === 'none' ? what : `${what}, trained on ${formatStrategy(trainedOn)}`;
      groups.set(name, [...(groups.get(name) ?? []), { trainedOn, testedOn }]);
    }
  }
  return others.flatMap((second) => [...groups].map(([group, cells]) => ({ first, second, group, cells })));
}

/** Accuracy of a system against the severity of one corruption, 0 being intact posts. */
export function severityCurve(
  study: Study,
  system: System,
  corruption: CorruptionName,
  trainedOn: Strategy,
): { readonly severity: number; readonly accuracy: SeedSummary }[] {
  const at = (severity: number, testedOn: Strategy) => {
    const accuracy = meanOver(study, system, [{ trainedOn, testedOn }]);
    return accuracy === null ? [] : [{ severity, accuracy }];
  };
  const own = SEVERITIES.flatMap((severity) => at(severity, { kind: 'corruption', corruption, severity, ratio: 1 }));
  return own.length === 0 ? [] : [...at(0, CLEAN), ...own];
}

/** The corruptions and trainings that have cells of every post, for {@link severityCurve}. */
export function severityStudies(study: Study): { readonly corruption: CorruptionName; readonly trainedOn: Strategy }[] {
  const names = namesOf(testsOf(study, 'corruption').filter(({ ratio, severity }) => ratio === 1 && severity !== null));
  return trainingsOf(study, 'corruption').flatMap((trainedOn) =>
    names.map((corruption) => ({ corruption, trainedOn })),
  );
}

/** Clean and disrupted accuracy of a system, as shares. */
export interface RobustnessPoint {
  readonly clean: number;
  readonly disrupted: number;
}

/** Disrupted accuracy as a share of clean accuracy; null where nothing clean is right. */
export function relativeRobustness({ clean, disrupted }: RobustnessPoint): number | null {
  return clean === 0 ? null : disrupted / clean;
}

/** Fewer points are on a line whatever they say. */
const FEWEST_POINTS = 3;

/**
 * Effective robustness (Taori et al., "Measuring robustness to natural distribution shifts in image classification",
 * NeurIPS 2020, section 2): ρ = disrupted − β(clean), where β is the line that fits logit(disrupted) to logit(clean) by
 * least squares over the standard models.
 * @param standard models whose clean accuracy says what to expect
 * @returns nothing where they are fewer than three, or equally good on intact posts
 */
export function effectiveRobustness(
  standard: readonly RobustnessPoint[],
): ((point: RobustnessPoint) => number) | undefined {
  if (standard.length < FEWEST_POINTS) return undefined;
  const points = standard.map(({ clean, disrupted }) => ({ x: logit(clean), y: logit(disrupted) }));
  const mean = (values: readonly number[]): number => values.reduce((sum, own) => sum + own, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
  const variance = mean(points.map(({ x }) => (x - meanX) ** 2));
  if (variance < 1e-12) return undefined;
  const slope = mean(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / variance;
  return ({ clean, disrupted }) => disrupted - 1 / (1 + Math.exp(-(meanY + slope * (logit(clean) - meanX))));
}

/** Accuracies of 0 and 1 are taken for one in two thousand off. */
function logit(share: number): number {
  const cut = Math.min(Math.max(share, 1 / 2000), 1 - 1 / 2000);
  return Math.log(cut / (1 - cut));
}

/** Whether the model of a cell was trained with simulated disruptions, by the options of its training. */
export function isSimulated(store: Pick<ResultStore, 'config'>, cell: StoredCell): boolean {
  const { method, model, training } = store.config(cell);
  const simulation = { ...training.simulation }; // stores of before it have none
  return simulationOptions({ method, model, training: { ...training, simulation } }).share > 0;
}

/** The tests that the most of the systems have, of models of one training; nothing where none has any. */
function commonTests(
  study: Study,
  systems: readonly System[],
  trainedOn: Strategy,
  tests: readonly Strategy[],
): Strategy[] {
  const counts = tests.map((testedOn) => {
    const having = systems.filter((system) => cellsOf(study, system, { trainedOn, testedOn }).length > 0);
    return having.length;
  });
  const most = Math.max(0, ...counts);
  return most === 0 ? [] : tests.filter((_, i) => counts[i] === most);
}

/** Clean and mean disrupted accuracy of a system, both over the seeds that have every cell of them. */
function accuraciesOf(
  study: Study,
  system: System,
  trainedOn: Strategy,
  tests: readonly Strategy[],
): { readonly clean: SeedSummary; readonly disrupted: SeedSummary } | null {
  const clean = seedMeans(study, system, [{ trainedOn, testedOn: CLEAN }]);
  const worse = seedMeans(study, system, tests.map((testedOn) => ({ trainedOn, testedOn }))); // prettier-ignore
  const both = [...worse].flatMap(([seed, disrupted]) => {
    const own = clean.get(seed);
    return own === undefined ? [] : [{ clean: own, disrupted }];
  });
  if (both.length === 0) return null;
  return {
    clean: summarizeSeeds(both.map((own) => own.clean)),
    disrupted: summarizeSeeds(both.map((own) => own.disrupted)),
  };
}

/**
 * Clean and disrupted accuracy, relative and effective robustness, of each method by what it was trained on.
 * @param simulates whether a cell's model was trained with simulated disruptions, which is no standard model then
 */
export function robustnessTable(
  study: Study,
  systems: readonly System[],
  simulates: (cell: StoredCell) => boolean,
): TableData[] {
  const disrupted = study.cells.filter(
    ({ trainedOn, testedOn }) => testedOn.kind !== 'none' && !isSameStrategy(trainedOn, testedOn),
  );
  const trainings = [...new Map(disrupted.map(({ trainedOn }) => [formatStrategy(trainedOn), trainedOn])).values()];
  const standard = systems.filter((system) => {
    const clean = cellsOf(study, system, { trainedOn: CLEAN, testedOn: CLEAN });
    return clean.length > 0 && !clean.some(simulates);
  });
  const pointOf = (system: System, trainedOn: Strategy, tests: readonly Strategy[]): RobustnessPoint | null => {
    const means = accuraciesOf(study, system, trainedOn, tests);
    return means === null ? null : { clean: means.clean.mean, disrupted: means.disrupted.mean };
  };
  const rows = trainings.flatMap((trainedOn) => {
    const own = disrupted.filter((cell) => isSameStrategy(cell.trainedOn, trainedOn));
    const having = systems.filter((system) => own.some((cell) => systemName(cell) === systemName(system)));
    const all = [...new Map(own.map(({ testedOn }) => [formatStrategy(testedOn), testedOn])).values()];
    const common = commonTests(study, having, trainedOn, all);
    // standard models are judged on just what these rows are judged on
    const compared = commonTests(study, standard, CLEAN, common);
    const effective = effectiveRobustness(standard.flatMap((system) => pointOf(system, CLEAN, compared) ?? []));
    return having.map((system) => {
      const has = common.filter((testedOn) => cellsOf(study, system, { trainedOn, testedOn }).length > 0);
      const means = accuraciesOf(study, system, trainedOn, common);
      const point = pointOf(system, trainedOn, common);
      const relative = point === null ? null : relativeRobustness(point);
      const place = pointOf(system, trainedOn, compared);
      return [
        systemName(system),
        trainingName(trainedOn),
        has.length === common.length ? String(common.length) : `${has.length} of ${common.length}`,
        written(means?.clean ?? null),
        written(means?.disrupted ?? null),
        relative === null ? NOTHING : relative.toFixed(3),
        effective === undefined || point === null || place === null ? NOTHING : signed(effective(place)),
      ];
    });
  });
  const head = ['method', 'trained on', 'cells', 'clean', 'disrupted', 'relative robustness', 'effective robustness'];
  return rows.length === 0 ? [] : [{ caption: 'Robustness of each method', head, rows }];
}

/** A severity curve's heading. */
export function severityTitle(corruption: CorruptionName, trainedOn: Strategy): string {
  const trained = trainedOn.kind === 'none' ? '' : `, trained on ${cellWords(formatStrategy(trainedOn))}`;
  return `Accuracy against the severity of ${wordsOf(corruption)}${trained}`;
}
