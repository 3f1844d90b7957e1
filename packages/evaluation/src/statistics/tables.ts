import { fixedStrategies, formatStrategy, parseStrategy, SETTINGS, type Setting, type Strategy } from '@drf/disruption';
import { cellWords, type TableData } from '@drf/experiment';
import { robustnessArea, summarizeSeeds, type SeedSummary } from '@drf/metrics';
import { MODALITIES } from '@drf/tensor';
import { percent } from '@drf/terminal';
import { CLEAN, formatCell, isSameStrategy } from '../cells.js';
import type { OnProgress } from '../display.js';
import { dropOf, paperDrop, paperFiguresOf, paperName, reconstructionNote } from '../paper.js';
import type { StoredCell } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';
import { NOTHING, points, share, signed, span, spread } from '../table.js';
import {
  cellsOf,
  compare,
  conditionName,
  conditionsOf,
  meanQuestions,
  systemName,
  type Comparison,
  type Condition,
  type Question,
  type Study,
  type System,
} from './compare.js';
import { COST_LINES, costTable } from './cost.js';
import {
  beyondQuestions,
  corruptionTables,
  isBeyondThePaper,
  isSimulated,
  missingTables,
  ROBUSTNESS_LINES,
  robustnessTable,
} from './robustness.js';

/** A table as the store has it, the same for terminal, page, Markdown and JSON. */
export interface ResultTable {
  /** Such as `table-1`. */
  readonly id: string;
  readonly heading: string;
  /** How to read it. */
  readonly lines: readonly string[];
  readonly tables: readonly TableData[];
  /** What its comparisons show, in a sentence; null without any. */
  readonly conclusion: string | null;
  /** Its comparisons one by one, which not every reader wants. */
  readonly details: readonly TableData[];
  readonly comparisons: readonly Comparison[];
}

/** How to read the comparisons of a table. */
export const COMPARISON_LINE =
  'Accuracy of the first less that of the second, in points, paired by seed and post on equal disruptions. Interval and p: bootstrap over seeds and posts. Corrected: Holm, over the table. McNemar: seeds whose exact test finds a difference. A verdict on the first stands only where this interval and that over seeds alone (Student’s t) leave out 0 and the corrected p lies below 0.05.';

const MEAN_LINE =
  'Mean accuracy over the cells of Table 1 (fixed: trained on intact posts) and Figure 5 (random: trained and tested at the same dr), or beyond the paper over those of corruptions and of missing rates (trained on intact posts), that both methods have. The difference is paired by seed, post and disruption; its interval is a bootstrap over seeds and posts, each post’s gain being its mean over the cells; p is corrected by Holm over this table. Above and below: cells whose two intervals, taken alone and not corrected, lie above or below 0.';

const LOST_LINE = 'Area: under accuracy against dr, a mean accuracy. Lost: points of accuracy from dr = 0.2 to 1, as the paper counts, which gives them for C+D only.'; // prettier-ignore

/** The tables that the store has something for: the paper's, and what else its cells say. */
export function resultTables(
  store: ResultStore,
  study: Study,
  reference: string,
  onProgress: OnProgress = () => undefined,
): ResultTable[] {
  const methods = methodsOf(study, reference);
  const ablations = ablatedSystems(study);
  const whole = { method: reference, without: null };
  const others = methods.filter(({ method }) => method !== reference);
  const against = (cells: readonly Condition[], first: System = whole, all: readonly System[] = others): Question[] =>
    all.flatMap((second) => cells.map((cell) => ({ first, second, cells: [cell] })));
  const fixed = fixedStrategies().map((testedOn) => ({ trainedOn: CLEAN, testedOn }));
  const note = reconstructionNote(methods.map(({ method }) => method));
  const reconstructed = note === null ? [] : [note];
  const drafts = [
    {
      id: 'table-1',
      heading: 'Table 1: one modality of every post disrupted (modality-fixed)',
      lines: [
        `Trained on intact posts. Mean ± standard deviation over seeds, in percent${hasPaper(study, methods) ? '; the paper’s figures in brackets' : ''}.`,
        ...reconstructed,
      ],
      tables: fixedTables(study, methods),
      questions: against(fixed),
    },
    {
      id: 'table-3',
      heading: 'Table 3: intact posts',
      lines: [
        'Mean ± standard deviation over seeds, in percent, with the 95 % interval of the mean.',
        ...reconstructed,
      ],
      tables: cleanTable(study, methods),
      questions: against([{ trainedOn: CLEAN, testedOn: CLEAN }]),
    },
    {
      id: 'table-4',
      heading: 'Table 4: without one part',
      lines: ['The same cells as Table 1, for the method whole and with one of its parts switched off.'],
      tables: ablations.length === 0 ? [] : fixedTables(study, ablations),
      questions: against(fixed, ablations[0], ablations.slice(1)),
    },
    {
      id: 'figure-5',
      heading: 'Figure 5: a share dr of the posts disrupted (modality-random)',
      lines: [
        'Trained and tested at the same dr, on disruptions of the same seed; dr = 0 is training and testing on intact posts.',
        LOST_LINE,
      ],
      tables: SETTINGS.flatMap((setting) => randomTable(study, methods, setting)),
      questions: against(conditionsOf(study.cells.filter(isMatched))),
    },
    ...trainingsBeyondThePaper(study).map((trainedOn) => {
      const systems = [...methods, ...ablations.slice(1)];
      const isIntact = trainedOn.kind === 'none'; // its other cells are the paper's tables
      const own = study.cells.filter(
        (cell) =>
          isSameStrategy(cell.trainedOn, trainedOn) &&
          !isMatched(cell) &&
          !isBeyondThePaper(cell) &&
          (!isIntact || cell.testedOn.kind === 'modality-random'),
      );
      return {
        id: `one-model-${formatStrategy(trainedOn)}`,
        heading: `One model under every disruption, trained on ${isIntact ? 'intact posts' : formatStrategy(trainedOn)}`,
        lines: ['Mean ± standard deviation over seeds, in percent.', LOST_LINE],
        tables: [
          ...(isIntact ? [] : [...cleanTable(study, systems, trainedOn), ...fixedTables(study, systems, trainedOn)]),
          ...SETTINGS.flatMap((setting) => randomTable(study, systems, setting, trainedOn)),
        ],
        questions: against(conditionsOf(own)),
      };
    }),
    {
      id: 'corruptions',
      heading: 'Corruptions by severity',
      lines: [
        'Every post that has both modalities corrupted alike, or the share of the posts that a caption names, beyond the paper; rows by what models were trained on. Means over severities leave out severities drawn for each post. Mean ± standard deviation over seeds, in percent.',
        ...reconstructed,
      ],
      tables: corruptionTables(study, methods),
      questions: beyondQuestions(study, 'corruption', whole, others),
    },
    {
      id: 'missing-rates',
      heading: 'Missing rates',
      lines: [
        'Each modality missing in a share of the posts of its own, never both of one post; rows by what models were trained on. Mean ± standard deviation over seeds, in percent.',
        ...reconstructed,
      ],
      tables: missingTables(study, methods),
      questions: beyondQuestions(study, 'missing', whole, others),
    },
    {
      id: 'robustness',
      heading: 'Relative and effective robustness',
      lines: ROBUSTNESS_LINES,
      tables: robustnessTable(study, methods, (cell) => isSimulated(store, cell)),
      questions: [],
    },
    {
      id: 'cost',
      heading: 'Time, memory and parameters',
      lines: COST_LINES,
      tables: costTable(study, methods, (cells) => store.cost(cells)),
      questions: [],
    },
  ].filter(({ tables }) => tables.length > 0);
  const means = meanQuestions(study, whole, others);
  const total = drafts.reduce((sum, { questions }) => sum + questions.length, means.length);
  let done = 0;
  const answers = (questions: readonly Question[]): Comparison[] =>
    compare(store, study, questions, () => onProgress(`Comparing in ${study.experiment}`, ++done, total));
  const tables = drafts.map(({ questions, ...own }): ResultTable => {
    const comparisons = answers(questions);
    const details = comparisons.length === 0 ? [] : [comparisonTable(comparisons)];
    return { ...own, conclusion: conclusionOf(comparisons), details, comparisons };
  });
  const overall = answers(means);
  if (overall.length === 0) return tables;
  const single = tables.flatMap(({ comparisons }) => comparisons);
  return [
    {
      id: 'overall',
      heading: 'Overall: means over cells',
      lines: [MEAN_LINE, ...reconstructed],
      tables: [meanTable(overall, single)],
      conclusion: null,
      details: [],
      comparisons: overall,
    },
    ...tables,
  ];
}

/** The method to compare with: the one that is asked for, else DRF, else the first. */
export function referenceOf(study: Study, asked = 'drf'): string {
  const methods = study.cells.map(({ method }) => method);
  return methods.includes(asked) ? asked : (methods[0] ?? asked);
}

/** Whole methods in the study, the reference first. */
export function methodsOf(study: Study, reference: string): System[] {
  const methods = [...new Set(study.cells.filter(({ without }) => without === null).map(({ method }) => method))];
  const isReference = (method: string): number => (method === reference ? 0 : 1);
  return methods
    .sort((one, other) => isReference(one) - isReference(other) || one.localeCompare(other))
    .map((method) => ({ method, without: null }));
}

/** The method whose parts were switched off, whole and less each part; none without ablations. */
export function ablatedSystems(study: Study): System[] {
  const found = study.cells.filter(({ without }) => without !== null);
  const method = found[0]?.method;
  if (method === undefined) return [];
  const parts = [...new Set(found.filter((cell) => cell.method === method).map(({ without }) => without))];
  return [{ method, without: null }, ...parts.map((without) => ({ method, without }))];
}

export function summaryOf(cells: readonly StoredCell[], figure: 'accuracy' | 'weightedF1'): SeedSummary | null {
  return cells.length === 0 ? null : summarizeSeeds(cells.map((cell) => cell[figure]));
}

/** Of modality-random strategies the ratio counts, not whether a share is held to the post or by independent draws. */
function isSameRatio(one: Strategy, other: Strategy): boolean {
  return (
    one.kind === 'modality-random' &&
    other.kind === 'modality-random' &&
    one.ratio === other.ratio &&
    one.setting === other.setting
  );
}

/** Whether a modality-random cell is of a model that was trained at the same ratio. */
export function isMatched({ trainedOn, testedOn }: Condition): boolean {
  return isSameRatio(trainedOn, testedOn);
}

/** What models were trained on that met more than intact posts and the paper's cells. */
function trainingsBeyondThePaper(study: Study): Strategy[] {
  const beyond = study.cells.filter(
    ({ trainedOn, testedOn }) =>
      testedOn.kind !== 'none' &&
      !isBeyondThePaper({ trainedOn, testedOn }) &&
      !isMatched({ trainedOn, testedOn }) &&
      !(trainedOn.kind === 'none' && testedOn.kind === 'modality-fixed'),
  );
  return [...new Set(beyond.map(({ trainedOn }) => formatStrategy(trainedOn)))].map(parseStrategy);
}

/** The modality-random cells of a curve: of models trained at the same ratio, or of models trained on one disruption. */
function isOnCurve(setting: Setting, training?: Strategy): (cell: Condition) => boolean {
  return ({ trainedOn, testedOn }) =>
    testedOn.kind === 'modality-random' &&
    testedOn.setting === setting &&
    (training === undefined
      ? isMatched({ trainedOn, testedOn })
      : isSameStrategy(trainedOn, training) && !isMatched({ trainedOn, testedOn }));
}

/** dr of a strategy; 0 of intact posts. */
export function ratioOf(strategy: Strategy): number {
  return strategy.kind === 'modality-random' ? strategy.ratio : 0;
}

/** A robustness curve over the seeds that have every point of it. */
interface SeedCurve {
  readonly points: readonly { readonly ratio: number; readonly accuracy: SeedSummary }[];
  /** Area under accuracy against dr: a mean accuracy. */
  readonly area: SeedSummary | null;
  /** Accuracy lost from dr = 0.2 to 1. */
  readonly drop: SeedSummary | null;
}

/** Accuracy of a system against dr, from dr = 0 on. @param training default: each ratio has its own models */
export function curveOf(study: Study, system: System, setting: Setting, training?: Strategy): SeedCurve {
  const own = conditionsOf(study.cells.filter(isOnCurve(setting, training)))
    // one point a ratio: that of exact shares, where there is one of independent draws beside it
    .sort((one, other) => Number(isIndependent(one)) - Number(isIndependent(other)))
    .sort((one, other) => ratioOf(one.testedOn) - ratioOf(other.testedOn));
  const conditions = own.length === 0 ? [] : [{ trainedOn: training ?? CLEAN, testedOn: CLEAN }, ...own];
  const all = conditions
    .map((condition) => ({ ratio: ratioOf(condition.testedOn), cells: cellsOf(study, system, condition) }))
    .filter(({ cells }) => cells.length > 0)
    .filter(({ ratio }, i, found) => found.findIndex((point) => point.ratio === ratio) === i);
  const seeds = [...new Set(all.flatMap(({ cells }) => cells.map(({ seed }) => seed)))];
  const whole = seeds
    .map((seed) =>
      all.flatMap(({ ratio, cells }) => {
        const cell = cells.find((candidate) => candidate.seed === seed);
        return cell === undefined ? [] : [{ ratio, accuracy: cell.accuracy }];
      }),
    )
    .filter((curve) => curve.length === all.length && curve.length > 1);
  const areas = whole.map((curve) => robustnessArea(curve.map(({ ratio, accuracy }) => ({ ratio, value: accuracy }))));
  const drops = whole.flatMap((curve) => dropOf(curve) ?? []);
  return {
    points: all.map(({ ratio, cells }) => ({ ratio, accuracy: summarizeSeeds(cells.map(({ accuracy }) => accuracy)) })),
    area: areas.length === 0 ? null : summarizeSeeds(areas),
    drop: drops.length === 0 ? null : summarizeSeeds(drops),
  };
}

const isIndependent = ({ trainedOn, testedOn }: Condition): boolean =>
  [trainedOn, testedOn].some((own) => own.kind === 'modality-random' && own.independent === true);

/** The paper's cells of models trained on intact posts, by what is disrupted. */
export const DISRUPTED: readonly { readonly name: string; readonly strategies: readonly Strategy[] }[] = [
  { name: 'intact', strategies: [CLEAN] },
  ...MODALITIES.map((modality) => ({
    name: `${modality} disrupted`,
    strategies: fixedStrategies().filter((own) => own.modality === modality),
  })),
];

/** Mean accuracy of a system over cells of models trained on intact posts; null where it has none. */
export function meanAccuracy(study: Study, system: System, strategies: readonly Strategy[]): number | null {
  const cells = strategies.flatMap((testedOn) => cellsOf(study, system, { trainedOn: CLEAN, testedOn }));
  return cells.length === 0 ? null : cells.reduce((sum, { accuracy }) => sum + accuracy, 0) / cells.length;
}

/** The paper's mean accuracy of DRF over cells; null where it has none. */
export function paperMean({ dataset }: Study, strategies: readonly Strategy[]): number | null {
  const values = strategies.flatMap((own) => paperFiguresOf('DRF', [], dataset, own)?.accuracy ?? []);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

const withPaper = (ours: string, paper: number | undefined): string =>
  paper === undefined ? ours : `${ours} (${percent(paper)})`;

/** One table a modality: accuracy and weighted F1 by setting. */
function fixedTables(study: Study, systems: readonly System[], trainedOn: Strategy = CLEAN): TableData[] {
  const isIntact = trainedOn.kind === 'none';
  return MODALITIES.flatMap((modality) => {
    const strategies = fixedStrategies().filter((own) => own.modality === modality);
    const rows = systems.flatMap((system) => {
      const cells = strategies.map((testedOn) => cellsOf(study, system, { trainedOn, testedOn }));
      if (cells.every((own) => own.length === 0)) return [];
      const figures = strategies.flatMap((testedOn, i) => {
        const paper = isIntact ? paperOf(study, system, testedOn) : undefined;
        return (['accuracy', 'weightedF1'] as const).map((figure) => {
          const summary = summaryOf(cells[i] ?? [], figure);
          return summary === null ? NOTHING : withPaper(spread(summary), paper?.[figure]);
        });
      });
      return [[systemName(system), seedsOf(cells.flat()), ...figures]];
    });
    if (rows.length === 0) return [];
    const head = strategies.flatMap(({ setting }) => [`${setting} accuracy`, `${setting} weighted F1`]);
    const caption = `${modality} disrupted${isIntact && hasPaper(study, systems) ? ': ours (paper)' : ''}`;
    return [{ caption, head: ['method', 'seeds', ...head], rows }];
  });
}

function seedsOf(cells: readonly StoredCell[]): string {
  return String(new Set(cells.map(({ seed }) => seed)).size);
}

function cleanTable(study: Study, methods: readonly System[], trainedOn: Strategy = CLEAN): TableData[] {
  const rows = methods.flatMap((system) => {
    const cells = cellsOf(study, system, { trainedOn, testedOn: CLEAN });
    const [accuracy, weightedF1] = [summaryOf(cells, 'accuracy'), summaryOf(cells, 'weightedF1')];
    if (accuracy === null || weightedF1 === null) return [];
    const paper = trainedOn.kind === 'none' ? paperOf(study, system, CLEAN) : undefined;
    const { interval } = accuracy;
    const shown =
      interval === null ? NOTHING : `${percent(Math.max(0, interval.low))} to ${percent(Math.min(1, interval.high))}`;
    const figures = [
      withPaper(spread(accuracy), paper?.accuracy),
      shown,
      withPaper(spread(weightedF1), paper?.weightedF1),
    ];
    return [[systemName(system), seedsOf(cells), ...figures]];
  });
  const head = ['method', 'seeds', 'accuracy', '95 % interval', 'weighted F1'];
  const caption = `Intact posts${trainedOn.kind === 'none' && hasPaper(study, methods) ? ': ours (paper)' : ''}`;
  return rows.length === 0 ? [] : [{ caption, head, rows }];
}

function paperOf({ dataset }: Study, system: System, strategy: Strategy) {
  const ablations = system.without === null ? [] : [system.without];
  return paperFiguresOf(paperName(system.method), ablations, dataset, strategy) ?? undefined;
}

/** Whether the paper has figures of any of these on this data. */
function hasPaper(study: Study, systems: readonly System[]): boolean {
  return systems.some((system) => [CLEAN, ...fixedStrategies()].some((own) => paperOf(study, system, own) !== undefined)); // prettier-ignore
}

/** Heads of {@link dropCells}. */
export const PAPER_DROP_HEAD = ['paper: DRF lost', 'paper: others lost'] as const;

/** The paper's losses: DRF's, and the others'. */
export function dropCells(drop: ReturnType<typeof paperDrop>): string[] {
  return drop === null ? [NOTHING, NOTHING] : [points(drop.drf), drop.others.map(points).join('–')];
}

function randomTable(study: Study, systems: readonly System[], setting: Setting, training?: Strategy): TableData[] {
  const curves = systems
    .map((system) => ({ system, ...curveOf(study, system, setting, training) }))
    .filter(({ points: own }) => own.length > 0);
  const ratios = [...new Set(curves.flatMap(({ points: own }) => own.map(({ ratio }) => ratio)))].sort((a, b) => a - b);
  if (curves.length === 0) return [];
  const paper = paperDrop(study.dataset, setting);
  const rows = curves.map(({ system, points: own, area, drop }) => [
    systemName(system),
    ...ratios.map((wanted) => spreadOf(own.find(({ ratio }) => ratio === wanted)?.accuracy)),
    spreadOf(area),
    spreadOf(drop),
    ...(paper === null ? [] : dropCells(paper)),
  ]);
  const drs = ratios.map((ratio) => `dr ${ratio}`);
  const head = ['method', ...drs, 'area', 'lost', ...(paper === null ? [] : PAPER_DROP_HEAD)];
  return [
    {
      caption: `Accuracy by the share dr of posts of which one modality is ${cellWords(setting)} (${setting})`,
      head,
      rows,
    },
  ];
}

const spreadOf = (summary: SeedSummary | null | undefined): string =>
  summary === null || summary === undefined ? NOTHING : spread(summary);

type Column = readonly [head: string, text: (own: Comparison) => string];

const SYSTEMS: readonly Column[] = [
  ['first', ({ first }) => systemName(first)],
  ['second', ({ second }) => systemName(second)],
];
const SEEDS: Column = ['seeds', ({ seeds }) => String(seeds)];
const DIFFERENCE: readonly Column[] = [
  ['difference', ({ difference }) => signed(difference)],
  ['95 % interval', ({ interval }) => span(interval)],
  ['over seeds alone', ({ seedInterval }) => span(seedInterval)],
];
const CORRECTED: Column = ['p, corrected', ({ adjusted }) => adjusted.toPrecision(2)];
const VERDICT: Column = ['verdict', ({ verdict }) => verdict ?? NOTHING];

function tableOf(caption: string, comparisons: readonly Comparison[], columns: readonly Column[]): TableData {
  const rows = comparisons.map((own) => columns.map(([, text]) => text(own)));
  return { caption, head: columns.map(([head]) => head), rows };
}

/** The means over groups of cells, and on which side the single cells lie. */
function meanTable(means: readonly Comparison[], single: readonly Comparison[]): TableData {
  const sides = (own: Comparison): string => {
    const cells = single.filter(
      ({ first, second, cells: [name = ''] }) =>
        systemName(first) === systemName(own.first) &&
        systemName(second) === systemName(own.second) &&
        own.cells.includes(name),
    );
    const above = cells.filter(({ interval, seedInterval }) => interval.low > 0 && (seedInterval?.low ?? 0) > 0);
    const below = cells.filter(({ interval, seedInterval }) => interval.high < 0 && (seedInterval?.high ?? 0) < 0);
    return `${above.length}, ${below.length}`;
  };
  return tableOf('Means over cells', means, [
    ...SYSTEMS,
    ['cells of', ({ cell }) => cell],
    ['cells', ({ cells }) => String(cells.length)],
    SEEDS,
    ['accuracy of the first', ({ firstMean }) => share(firstMean)],
    ['of the second', ({ secondMean }) => share(secondMean)],
    ...DIFFERENCE,
    CORRECTED,
    ['cells above, below', sides],
    VERDICT,
  ]);
}

/** The comparisons of a table one by one. */
function comparisonTable(comparisons: readonly Comparison[]): TableData {
  return tableOf('Paired comparisons', comparisons, [
    ...SYSTEMS,
    ['cell', ({ cell }) => cell],
    SEEDS,
    ...DIFFERENCE,
    ['p', ({ pValue }) => pValue.toPrecision(2)],
    CORRECTED,
    ['McNemar', ({ mcnemar, seeds }) => `${mcnemar ?? 0} of ${seeds}`],
    VERDICT,
  ]);
}

function conclusionOf(comparisons: readonly Comparison[]): string | null {
  const [one] = comparisons;
  if (one === undefined) return null;
  const count = (verdict: Comparison['verdict']): number => comparisons.filter((own) => own.verdict === verdict).length;
  const many = `${comparisons.length} ${comparisons.length === 1 ? 'comparison' : 'comparisons'}`;
  return `${systemName(one.first)} against the others, ${many}: better in ${count('better')}, worse in ${count('worse')}, undecided in ${count(null)}.`;
}

/** AUROC of low quality at finding the corrupted modality, by training and cell. */
export function aurocTable(study: Study): TableData[] {
  const found = study.cells.filter(({ imageAuroc, textAuroc }) => imageAuroc !== null || textAuroc !== null);
  const places = new Map(found.map((cell) => [`${systemName(cell)} ${conditionName(cell)}`, cell]));
  const rows = [...places.values()].map((place) => {
    const cells = cellsOf(study, place, place);
    const mean = (figure: 'imageAuroc' | 'textAuroc'): string => {
      const values = cells.flatMap((cell) => cell[figure] ?? []);
      return values.length === 0 ? NOTHING : spread(summarizeSeeds(values), (value) => value.toFixed(3));
    };
    const { trainedOn, testedOn } = place;
    return [systemName(place), formatStrategy(trainedOn), formatCell({ testedOn }), mean('imageAuroc'), mean('textAuroc')]; // prettier-ignore
  });
  const caption = 'AUROC of low quality at finding the corrupted modality (0.5 is chance)';
  return rows.length === 0 ? [] : [{ caption, head: ['method', 'trained on', 'cell', 'image', 'text'], rows }];
}
