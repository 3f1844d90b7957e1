import { fixedStrategies, formatStrategy, SETTINGS, type Setting, type Strategy } from '@drf/disruption';
import { summarizeSeeds, type SeedSummary } from '@drf/metrics';
import { percent } from '@drf/terminal';
import { CELL_GROUPS, compareGroups } from './compare-groups.js';
import { GROUP_LINE, groupTables } from './comparison-tables.js';
import { paperFiguresOf, paperName, reconstructionNote } from '../paper.js';
import type { ResultStore } from '../store/result-store.js';
import type { StoredCell } from '../store/records.js';
import { CLEAN, formatCell, isSameStrategy } from '../cells.js';
import { NOTHING, type TableData } from '../tables.js';
import {
  cellsOf,
  compareSystems,
  systemName,
  type Question,
  type Study,
  type System,
  type SystemComparison,
} from './compare-systems.js';
import type { OnProgress } from './stages.js';

/** One table of the paper, as the store has it. */
export interface PaperTable {
  /** Such as `table-1`. */
  readonly id: string;
  readonly heading: string;
  readonly lines: readonly string[];
  readonly tables: readonly TableData[];
  readonly comparisons: readonly SystemComparison[];
}

const FIXED = fixedStrategies();

/** 71.2 ± 0.9 */
export function spread({ mean, standardDeviation }: SeedSummary): string {
  return standardDeviation === null ? percent(mean) : `${percent(mean)} ± ${percent(standardDeviation)}`;
}

export function summaryOf(cells: readonly StoredCell[], figure: 'accuracy' | 'weightedF1'): SeedSummary | null {
  return cells.length === 0 ? null : summarizeSeeds(cells.map((cell) => cell[figure]));
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
export function ablationsOfStudy(study: Study): System[] {
  const found = study.cells.filter(({ without }) => without !== null);
  const method = found[0]?.method;
  if (method === undefined) return [];
  const parts = [...new Set(found.filter((cell) => cell.method === method).map(({ without }) => without))];
  return [{ method, without: null }, ...parts.map((without) => ({ method, without }))];
}

/** The tables that the store has something for. */
export function paperTables(
  store: ResultStore,
  study: Study,
  reference: string,
  onProgress: OnProgress = () => undefined,
): PaperTable[] {
  const methods = methodsOf(study, reference);
  const ablations = ablationsOfStudy(study);
  const others = methods.filter(({ method }) => method !== reference);
  const whole = { method: reference, without: null };
  const against = (strategies: readonly Strategy[]): Question[] =>
    others.flatMap((second) => strategies.map((testedOn) => ({ first: whole, second, trainedOn: CLEAN, testedOn })));
  const parts = ablations
    .slice(1)
    .flatMap((second) =>
      FIXED.map((testedOn): Question => ({ first: ablations[0] as System, second, trainedOn: CLEAN, testedOn })),
    );
  const random = randomStrategiesOf(study);
  const questions = {
    fixed: against(FIXED),
    random: others.flatMap((second) => random.map((own) => ({ first: whole, second, trainedOn: own, testedOn: own }))),
    clean: against([CLEAN]),
    parts,
  };
  const total = Object.values(questions).flat().length + others.length * CELL_GROUPS.length;
  let done = 0;
  const onAnswered = (): void => onProgress(`Comparing in ${study.experiment}`, ++done, total);
  const compare = (own: readonly Question[]): SystemComparison[] => compareSystems(store, study, own, onAnswered);
  const fixedComparisons = compare(questions.fixed);
  const randomComparisons = compare(questions.random);
  const single = [...fixedComparisons, ...randomComparisons];
  const groups = compareGroups(store, study, whole, others, single, onAnswered);
  const note = reconstructionNote(methods.map(({ method }) => method));
  const reconstructed = note === null ? [] : [note];
  const tables: PaperTable[] = [
    {
      id: 'overall',
      heading: 'Overall: means over cells',
      lines: groups.length === 0 ? [] : [GROUP_LINE, ...reconstructed],
      tables: groupTables(groups),
      comparisons: [],
    },
    {
      id: 'table-1',
      heading: 'Table 1: one modality of every post disrupted (modality-fixed)',
      lines: [
        'Trained on intact posts. Mean ± standard deviation over seeds, in percent; the paper’s figures in brackets.',
        ...reconstructed,
      ],
      tables: fixedTables(study, methods),
      comparisons: fixedComparisons,
    },
    {
      id: 'table-3',
      heading: 'Table 3: intact posts',
      lines: [
        'Mean ± standard deviation over seeds, in percent, with the 95 % interval of the mean.',
        ...reconstructed,
      ],
      tables: cleanTable(study, methods),
      comparisons: compare(questions.clean),
    },
    {
      id: 'table-4',
      heading: 'Table 4: without one part',
      lines: ['The same cells as Table 1, for the method whole and with one of its parts switched off.'],
      tables: ablations.length === 0 ? [] : fixedTables(study, ablations),
      comparisons: compare(questions.parts),
    },
    {
      id: 'figure-5',
      heading: 'Figure 5: a share dr of the posts disrupted (modality-random)',
      lines: [
        'Trained and tested at the same dr, on disruptions of the same seed; dr = 0 is training and testing on intact posts.',
      ],
      tables: SETTINGS.flatMap((setting) => randomTable(study, methods, setting)),
      comparisons: randomComparisons,
    },
  ];
  return tables.filter(({ tables: own }) => own.length > 0);
}

function withPaper(ours: string, paper: number | undefined): string {
  return paper === undefined ? ours : `${ours} (${percent(paper)})`;
}

/** One table a modality: accuracy and weighted F1 by setting. */
function fixedTables(study: Study, systems: readonly System[]): TableData[] {
  return (['image', 'text'] as const).flatMap((modality) => {
    const strategies = FIXED.filter((own) => own.modality === modality);
    const rows = systems.flatMap((system) => {
      const cells = strategies.map((testedOn) => cellsOf(study, system, { trainedOn: CLEAN, testedOn }));
      if (cells.every((own) => own.length === 0)) return [];
      const figures = strategies.flatMap((testedOn, i) => {
        const paper = paperOf(study, system, testedOn);
        return (['accuracy', 'weightedF1'] as const).map((figure) => {
          const summary = summaryOf(cells[i] as StoredCell[], figure);
          return summary === null ? NOTHING : withPaper(spread(summary), paper?.[figure]);
        });
      });
      return [[systemName(system), seedsOf(cells.flat()), ...figures]];
    });
    if (rows.length === 0) return [];
    const head = strategies.flatMap(({ setting }) => [`${setting} accuracy`, `${setting} weighted F1`]);
    return [{ caption: `${modality} disrupted: ours (paper)`, head: ['method', 'seeds', ...head], rows }];
  });
}

function seedsOf(cells: readonly StoredCell[]): string {
  return String(new Set(cells.map(({ seed }) => seed)).size);
}

function cleanTable(study: Study, methods: readonly System[]): TableData[] {
  const rows = methods.flatMap((system) => {
    const cells = cellsOf(study, system, { trainedOn: CLEAN, testedOn: CLEAN });
    const [accuracy, weightedF1] = [summaryOf(cells, 'accuracy'), summaryOf(cells, 'weightedF1')];
    if (accuracy === null || weightedF1 === null) return [];
    const paper = paperOf(study, system, CLEAN);
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
  return rows.length === 0 ? [] : [{ caption: 'Intact posts: ours (paper)', head, rows }];
}

function paperOf({ dataset }: Study, system: System, testedOn: Strategy) {
  const ablations = system.without === null ? [] : [system.without];
  return paperFiguresOf(paperName(system.method), ablations, dataset, testedOn) ?? undefined;
}

type Random = Extract<Strategy, { kind: 'modality-random' }>;

/** Disruptions of the modality-random cells of trainings at the same dr. */
export function randomStrategiesOf({ cells }: Study): Random[] {
  const own = cells.flatMap(({ testedOn, trainedOn }) =>
    testedOn.kind === 'modality-random' && isSameStrategy(testedOn, trainedOn) ? [testedOn] : [],
  );
  return [...new Map(own.map((strategy) => [formatStrategy(strategy), strategy])).values()];
}

/** The points of Figure 5 in a setting, by ascending ratio; none without any beside the clean cell. */
export function pointsOf(study: Study, setting: Setting): Strategy[] {
  const own = randomStrategiesOf(study).filter((strategy) => strategy.setting === setting && !strategy.independent);
  return own.length === 0 ? [] : [CLEAN, ...own.sort((one, other) => one.ratio - other.ratio)];
}

/** dr of a point. */
export function ratioOf(strategy: Strategy): number {
  return strategy.kind === 'modality-random' ? strategy.ratio : 0;
}

function randomTable(study: Study, methods: readonly System[], setting: Setting): TableData[] {
  const points = pointsOf(study, setting);
  if (points.length === 0) return [];
  const rows = methods.map((system) => {
    const summaries = points.map((own) =>
      summaryOf(cellsOf(study, system, { trainedOn: own, testedOn: own }), 'accuracy'),
    );
    const [first, last] = [summaries[0], summaries.at(-1)];
    const lost =
      first && last && ratioOf(points.at(-1) as Strategy) === 1 ? (100 * (first.mean - last.mean)).toFixed(1) : NOTHING;
    return [systemName(system), ...summaries.map((summary) => (summary === null ? NOTHING : spread(summary))), lost];
  });
  const head = ['method', ...points.map((own) => `dr ${ratioOf(own)}`), 'lost'];
  return [{ caption: `Accuracy, setting ${setting}`, head, rows }];
}

/** AUROC of low quality at finding the corrupted modality, by training and cell. */
export function aurocTable(study: Study): TableData[] {
  const found = study.cells.filter(({ imageAuroc, textAuroc }) => imageAuroc !== null || textAuroc !== null);
  const rows = [...new Map(found.map((cell) => [keyOf(cell), cell])).values()].map((own) => {
    const cells = cellsOf(study, own, own);
    const mean = (figure: 'imageAuroc' | 'textAuroc'): string => {
      const values = cells.flatMap((cell) => cell[figure] ?? []);
      if (values.length === 0) return NOTHING;
      const { mean: average, standardDeviation } = summarizeSeeds(values);
      return standardDeviation === null
        ? average.toFixed(3)
        : `${average.toFixed(3)} ± ${standardDeviation.toFixed(3)}`;
    };
    return [
      systemName(own),
      formatStrategy(own.trainedOn),
      formatCell({ testedOn: own.testedOn }),
      mean('imageAuroc'),
      mean('textAuroc'),
    ];
  });
  const caption = 'AUROC of low quality at finding the corrupted modality (0.5 is chance)';
  return rows.length === 0 ? [] : [{ caption, head: ['method', 'trained on', 'cell', 'image', 'text'], rows }];
}

function keyOf({ method, without, trainedOn, testedOn }: StoredCell): string {
  return JSON.stringify([method, without, formatCell({ trainedOn, testedOn })]);
}
