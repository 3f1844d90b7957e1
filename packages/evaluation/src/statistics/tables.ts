import { fixedStrategies, formatStrategy, SETTINGS, type Strategy } from '@drf/disruption';
import { summarizeSeeds, type SeedSummary } from '@drf/metrics';
import { percent } from '@drf/terminal';
import { CELL_GROUPS, compareGroups } from './compare-groups.js';
import { GROUP_LINE, groupTables } from './comparison-tables.js';
import { paperFiguresOf, paperName, reconstructionNote } from '../paper.js';
import type { ResultStore } from '../store/read.js';
import type { StoredCell } from '../store/stored.js';
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

const NAMES = fixedStrategies().map(formatStrategy);
const STRATEGIES: ReadonlyMap<string, Strategy> = new Map([
  ['clean', { kind: 'none' }],
  ...fixedStrategies().map((strategy) => [formatStrategy(strategy), strategy] as const),
]);

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
  const against = (cells: readonly string[]): Question[] =>
    others.flatMap((second) => cells.map((cell) => ({ first: whole, second, trainedOn: 'none', cell })));
  const parts = ablations
    .slice(1)
    .flatMap((second) =>
      NAMES.map((cell): Question => ({ first: ablations[0] as System, second, trainedOn: 'none', cell })),
    );
  const random = randomNames(study);
  const questions = {
    fixed: against(NAMES),
    random: others.flatMap((second) => random.map((cell) => ({ first: whole, second, trainedOn: cell, cell }))),
    clean: against(['clean']),
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
    const names = NAMES.filter((name) => name.startsWith(`fixed:${modality}:`));
    const rows = systems.flatMap((system) => {
      const cells = names.map((name) => cellsOf(study, system, 'none', name));
      if (cells.every((own) => own.length === 0)) return [];
      const figures = names.flatMap((name, i) => {
        const paper = paperOf(study, system, name);
        return (['accuracy', 'weightedF1'] as const).map((figure) => {
          const summary = summaryOf(cells[i] as StoredCell[], figure);
          return summary === null ? NOTHING : withPaper(spread(summary), paper?.[figure]);
        });
      });
      return [[systemName(system), seedsOf(cells.flat()), ...figures]];
    });
    if (rows.length === 0) return [];
    const settings = names.map((name) => name.split(':')[2] as string);
    const head = settings.flatMap((setting) => [`${setting} accuracy`, `${setting} weighted F1`]);
    return [{ caption: `${modality} disrupted: ours (paper)`, head: ['method', 'seeds', ...head], rows }];
  });
}

function seedsOf(cells: readonly StoredCell[]): string {
  return String(new Set(cells.map(({ seed }) => seed)).size);
}

function cleanTable(study: Study, methods: readonly System[]): TableData[] {
  const rows = methods.flatMap((system) => {
    const cells = cellsOf(study, system, 'none', 'clean');
    const [accuracy, weightedF1] = [summaryOf(cells, 'accuracy'), summaryOf(cells, 'weightedF1')];
    if (accuracy === null || weightedF1 === null) return [];
    const paper = paperOf(study, system, 'clean');
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

function paperOf({ dataset }: Study, system: System, cell: string) {
  const strategy = STRATEGIES.get(cell);
  if (strategy === undefined) return undefined;
  const ablations = system.without === null ? [] : [system.without];
  return paperFiguresOf(paperName(system.method), ablations, dataset, strategy) ?? undefined;
}

/** Modality-random cells of trainings at the same dr. */
export function randomNames({ cells }: Study): string[] {
  const own = cells.filter(({ name, trainedOn }) => name === trainedOn && name.startsWith('random:'));
  return [...new Set(own.map(({ name }) => name))];
}

/** Ratios of a setting, ascending. */
export function ratiosOf(study: Study, setting: string): number[] {
  const names = randomNames(study).filter((name) => name.endsWith(`:${setting}`));
  return names.map((name) => Number(name.split(':')[1])).sort((one, other) => one - other);
}

/** The cells of a point of Figure 5. */
export function pointOf(study: Study, system: System, ratio: number, setting: string): StoredCell[] {
  const name = ratio === 0 ? 'clean' : `random:${ratio}:${setting}`;
  return cellsOf(study, system, ratio === 0 ? 'none' : name, name);
}

function randomTable(study: Study, methods: readonly System[], setting: string): TableData[] {
  const ratios = ratiosOf(study, setting);
  if (ratios.length === 0) return [];
  const all = [0, ...ratios];
  const rows = methods.map((system) => {
    const summaries = all.map((ratio) => summaryOf(pointOf(study, system, ratio, setting), 'accuracy'));
    const [first, last] = [summaries[0], summaries.at(-1)];
    const lost = first && last && ratios.at(-1) === 1 ? (100 * (first.mean - last.mean)).toFixed(1) : NOTHING;
    return [systemName(system), ...summaries.map((summary) => (summary === null ? NOTHING : spread(summary))), lost];
  });
  const head = ['method', ...all.map((ratio) => `dr ${ratio}`), 'lost'];
  return [{ caption: `Accuracy, setting ${setting}`, head, rows }];
}

/** AUROC of low quality at finding the corrupted modality, by training and cell. */
export function aurocTable(study: Study): TableData[] {
  const found = study.cells.filter(({ imageAuroc, textAuroc }) => imageAuroc !== null || textAuroc !== null);
  const keys = [
    ...new Set(found.map(({ method, without, trainedOn, name }) => JSON.stringify([method, without, trainedOn, name]))),
  ];
  const rows = keys.map((key) => {
    const [method, without, trainedOn, name] = JSON.parse(key) as [string, string | null, string, string];
    const cells = cellsOf(study, { method, without }, trainedOn, name);
    const mean = (figure: 'imageAuroc' | 'textAuroc'): string => {
      const values = cells.flatMap((cell) => cell[figure] ?? []);
      if (values.length === 0) return NOTHING;
      const { mean: average, standardDeviation } = summarizeSeeds(values);
      return standardDeviation === null
        ? average.toFixed(3)
        : `${average.toFixed(3)} ± ${standardDeviation.toFixed(3)}`;
    };
    return [systemName({ method, without }), trainedOn, name, mean('imageAuroc'), mean('textAuroc')];
  });
  const caption = 'AUROC of low quality at finding the corrupted modality (0.5 is chance)';
  return rows.length === 0 ? [] : [{ caption, head: ['method', 'trained on', 'cell', 'image', 'text'], rows }];
}
