import { formatStrategy, parseStrategy, SETTINGS, type Setting } from '@drf/disruption';
import { drfForm, optionsOfEffect, type ExperimentConfig, type ReportLink } from '@drf/experiment';
import { summarizeSeeds, type SeedSummary } from '@drf/metrics';
import { ConfigurationError, type Modality } from '@drf/tensor';
import { formatCsv, type CsvOptions } from '@drf/terminal';
import { formatCell } from './cells.js';
import type { OnProgress } from './display.js';
import {
  ablationsOf,
  letterNote,
  paperDrop,
  paperLine,
  trainedModalities,
  type PaperDrop,
  type PaperFigures,
} from './paper.js';
import { buildReport, tablesText } from './report/report.js';
import type { EvaluationResult } from './result.js';
import { studiesOf, systemName, type System } from './statistics/compare.js';
import { curveOf, type ResultTable } from './statistics/tables.js';
import type { StoredCell, TrainingRecord } from './store/records.js';
import { ResultStore } from './store/result-store.js';

/** A run that is to be evaluated with others. */
export interface RunMember {
  readonly path: string;
  readonly config: ExperimentConfig;
  readonly encoders: { readonly image: string; readonly text: string };
}

/** Runs that differ in nothing but their seed (and in where things lie), or in their fold where all are there. */
interface RunGroup {
  /** Method, what is switched off, training disruption; and further options where two groups would be called alike. */
  readonly label: string;
  /** As tables call it, with the same further options. */
  readonly system: System;
  readonly trainedOn: string;
  /** Whether these are all folds of a cross-validation, which tables take together. */
  readonly isFolded: boolean;
  readonly members: readonly RunMember[];
}

/**
 * Groups runs by method and everything else of their configuration but the seed, in the order given.
 * @throws ConfigurationError when two runs of a group have the same seed: they would count twice
 */
export function groupRuns(members: readonly RunMember[]): RunGroup[] {
  const groups = grouped(members, (member) => identityOf(member, 'dataset.fold')).flatMap((own) =>
    hasAllFolds(own) ? [own] : grouped(own, identityOf),
  );
  groups.forEach(assertSeedsOnce);
  return groups.map((own) => {
    const { config } = own[0];
    const extras = extrasOf(own, groups);
    const ablations = ablationsOf(config);
    const trainedOn = formatStrategy(parseStrategy(config.training.disruption));
    return {
      label: baseLabel(own) + extras,
      system: { method: config.method + extras, without: ablations.length === 0 ? null : ablations.join(', ') },
      trainedOn,
      isFolded: hasAllFolds(own),
      members: own,
    };
  });
}

type Members = readonly [RunMember, ...RunMember[]];

function grouped(members: readonly RunMember[], key: (member: RunMember) => string): Members[] {
  const groups = new Map<string, [RunMember, ...RunMember[]]>();
  for (const member of members) {
    const own = groups.get(key(member));
    if (own === undefined) groups.set(key(member), [member]);
    else own.push(member);
  }
  return [...groups.values()];
}

/** Whether runs are a cross-validation: every fold of every seed, once. */
function hasAllFolds(members: Members): boolean {
  const { folds } = members[0].config.dataset;
  const places = new Set(members.map(({ config }) => `${config.seed} ${config.dataset.fold}`));
  const seeds = new Set(members.map(({ config }) => config.seed));
  return folds !== undefined && places.size === members.length && places.size === folds * seeds.size;
}

/** Equal for runs that differ in their seed at most. @param alsoIgnored a further option that may differ */
function identityOf(member: RunMember, alsoIgnored?: string): string {
  const options = [...optionsOf(member)].filter(([name]) => name !== alsoIgnored);
  return JSON.stringify(options.sort(([first], [second]) => (first < second ? -1 : 1)));
}

function assertSeedsOnce(members: Members): void {
  for (const [index, { config, path }] of members.entries()) {
    const earlier = members
      .slice(0, index)
      .find((other) => other.config.seed === config.seed && other.config.dataset.fold === config.dataset.fold);
    if (earlier === undefined) continue;
    throw new ConfigurationError({
      subject: 'eval',
      expected: 'each seed of a method once',
      received: `seed ${config.seed} in ${earlier.path} and in ${path}`,
      remedy: 'leave one of the two out',
    });
  }
}

/** The options that tell groups apart, by dotted name; those that an experiment leaves to its method as they turn out. */
function optionsOf({ config, encoders }: RunMember): Map<string, string> {
  const whole = { ...config, model: { ...config.model, ...drfForm(config) } };
  const options = [...optionsOfEffect(whole, 'result'), ...optionsOfEffect(whole, 'data')];
  const own = options.filter(([name]) => name !== 'seed');
  const ids = Object.entries(encoders).map(([modality, id]) => [`encoders.${modality}`, id] as const);
  return new Map([...own, ['engine', config.engine], ...ids].map(([name, value]) => [name, String(value)]));
}

/** The options in which a group differs from others that would be called like it. */
function extrasOf(own: Members, groups: readonly Members[]): string {
  const label = baseLabel(own);
  const options = optionsOf(own[0]);
  const differing = groups
    .filter((other) => other !== own && baseLabel(other) === label)
    .flatMap(([other]) => {
      const others = optionsOf(other);
      return [...options.keys(), ...others.keys()].filter((name) => options.get(name) !== others.get(name));
    });
  const extras = [...new Set(differing)].sort().map((name) => `${name} ${options.get(name) ?? 'default'}`);
  return extras.length === 0 ? '' : `; ${extras.join(', ')}`;
}

function baseLabel([{ config }]: Members): string {
  const { disruption } = config.training;
  return [config.method, ...ablationsOf(config), ...(disruption === 'none' ? [] : [`trained on ${disruption}`])].join(
    ', ',
  );
}

const SUMMARY_FORMAT = 'drf-evaluation-summary/2';

type Figure = 'accuracy' | 'weightedF1' | 'macroF1';

/** A cell over the seeds of a group. */
type CellSummary = { readonly cell: string; readonly paper: PaperFigures | null } & Readonly<
  Record<Figure, SeedSummary>
>;

interface GroupSummary extends System {
  readonly label: string;
  readonly trainedOn: string;
  readonly runs: readonly string[];
  readonly seeds: readonly number[];
  /** Modalities whose encoders were fine-tuned. */
  readonly trainedEncoders: readonly Modality[];
  readonly cells: readonly CellSummary[];
  readonly curves: readonly {
    readonly setting: Setting;
    readonly area: SeedSummary | null;
    readonly drop: SeedSummary | null;
    readonly paperDrop: PaperDrop | null;
  }[];
}

/** Content of `summary.json`. */
export interface RunsSummary {
  readonly format: typeof SUMMARY_FORMAT;
  readonly groups: readonly GroupSummary[];
  /** With the comparisons, as in the report of a grid. */
  readonly tables: readonly ResultTable[];
  readonly notes: readonly string[];
}

/**
 * Runs that are evaluated together, in a store that ends with the program: what is said of them is what the report of a
 * grid says, by the same tables and comparisons.
 */
export class EvaluatedRuns {
  private readonly store = new ResultStore(':memory:', 'write');
  private readonly groups: readonly RunGroup[];
  private readonly results = new Map<string, EvaluationResult>();

  /** @throws as {@link groupRuns} */
  constructor(private readonly members: readonly RunMember[]) {
    this.groups = groupRuns(members);
  }

  /** Takes in one of the runs. @param record as `trainingRecord` makes it */
  add(result: EvaluationResult, record: TrainingRecord): void {
    const { path } = result.run;
    const group = this.groups.find(({ members }) => members.some((own) => own.path === path));
    if (group === undefined) return;
    const { fold, folds } = record.config.dataset;
    const isPart = fold !== undefined && folds !== undefined && group.isFolded;
    const experiment = this.experimentOf(record.config);
    this.store.add({ ...record, ...group.system, experiment, fold: isPart ? { fold, folds } : null });
    this.results.set(path, result);
  }

  /** What runs have in common that are told apart: their experiment; of several experiments the data set. */
  private experimentOf({ name, dataset }: ExperimentConfig): string {
    return this.members.every(({ config }) => config.name === name) ? name : dataset.name;
  }

  /**
   * Means over seeds, tables and comparisons of what was taken in, and the same as a page.
   * @param reference the method that the others are compared with; default: drf, else the first
   * @param links reports of the single runs, as the way leads from the page
   */
  async summarize(
    reference?: string,
    onProgress?: OnProgress,
    links: readonly ReportLink[] = [],
  ): Promise<{ summary: RunsSummary; html: string }> {
    const found: string[] = [];
    const { html, tables } = await buildReport(this.store, {
      title: 'Evaluation of several runs',
      reference,
      posts: 0,
      links,
      onProgress,
      onNote: (note) => void found.push(note),
    });
    const groups = this.groups.filter(({ members }) => members.some(({ path }) => this.results.has(path)));
    const notes = [...found, ...groups.flatMap((group) => this.notesOn(group))];
    const summary = {
      format: SUMMARY_FORMAT,
      groups: groups.map((own) => this.summaryOf(own)),
      tables,
      notes,
    } as const;
    return { summary, html };
  }

  close(): void {
    this.store.close();
  }

  private cellsOf({ system, trainedOn }: RunGroup): StoredCell[] {
    return this.store.cells.filter(
      (cell) => systemName(cell) === systemName(system) && formatStrategy(cell.trainedOn) === trainedOn,
    );
  }

  private summaryOf(group: RunGroup): GroupSummary {
    const { label, members, system } = group;
    const results = members.flatMap(({ path }) => this.results.get(path) ?? []);
    const cells = this.cellsOf(group);
    const names = [...new Set(cells.map(({ testedOn }) => formatCell({ testedOn })))];
    const [study] = studiesOf(this.store).filter((own) => own.cells.some((cell) => cells.includes(cell)));
    const training = cells[0]?.trainedOn;
    return {
      label,
      ...system,
      trainedOn: group.trainedOn,
      runs: results.map(({ run }) => run.path),
      seeds: [...new Set(cells.map(({ seed }) => seed))],
      trainedEncoders: members[0] === undefined ? [] : trainedModalities(members[0].config),
      cells: names.map((name) => {
        const own = cells.filter(({ testedOn }) => formatCell({ testedOn }) === name);
        const over = (figure: (cell: StoredCell) => number): SeedSummary => summarizeSeeds(own.map(figure));
        return {
          cell: name,
          paper: results.flatMap((result) => result.cells.find(({ cell }) => cell === name)?.paper ?? [])[0] ?? null,
          accuracy: over(({ accuracy }) => accuracy),
          weightedF1: over(({ weightedF1 }) => weightedF1),
          macroF1: over((cell) => this.store.report(cell).macroF1),
        };
      }),
      curves: SETTINGS.flatMap((setting) => {
        if (study === undefined || training === undefined) return [];
        const { points, area, drop } = curveOf(study, system, setting, training);
        return points.length < 2 ? [] : [{ setting, area, drop, paperDrop: paperDrop(study.dataset, setting) }];
      }),
    };
  }

  private notesOn(group: RunGroup): string[] {
    const lists = new Set(this.cellsOf(group).map(({ postsKey }) => postsKey));
    const letter = letterNote(group.members.map(({ config }) => config));
    return [
      ...(lists.size > 1 ? [`${group.label}: the seeds were evaluated on different posts`] : []),
      ...(letter === null ? [] : [letter]),
    ];
  }
}

/** A summary for people, as plain text. */
export function summaryText({ groups, tables, notes }: RunsSummary): string {
  const head = groups.map(
    ({ label, seeds }) => `${label}: ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`,
  );
  const hasPaper = groups.some(({ cells }) => cells.some(({ paper }) => paper !== null));
  return [
    ...head,
    ...notes.map((note) => `Note: ${note}`),
    ...(hasPaper ? [paperLine(groups.map(({ trainedEncoders }) => trainedEncoders))] : []),
    '',
    tablesText(tables, true).trimEnd(),
  ].join('\n');
}

/** One row a group and cell, with the comparison in which it stands second. */
export function summaryCsv({ groups, tables }: RunsSummary, options?: CsvOptions): string {
  const figures = ['accuracy', 'weightedF1', 'macroF1'] as const;
  const columns = figures.flatMap((name) => [`${name}Mean`, `${name}StandardDeviation`, `${name}Low`, `${name}High`]);
  const comparisons = tables.flatMap((table) => table.comparisons);
  const rows = groups.flatMap(({ label, seeds, cells, ...group }) =>
    cells.map((cell) => {
      const against = comparisons.find(
        ({ second, trainedOn, cell: name }) =>
          systemName(second) === systemName(group) && trainedOn === group.trainedOn && name === cell.cell,
      );
      return [
        label,
        seeds.join(' '),
        cell.cell,
        ...figures.flatMap((name) => {
          const { mean, standardDeviation, interval } = cell[name];
          return [mean, standardDeviation ?? '', interval?.low ?? '', interval?.high ?? ''];
        }),
        cell.paper?.accuracy ?? '',
        cell.paper?.weightedF1 ?? '',
        against === undefined ? '' : systemName(against.first),
        against?.difference ?? '',
        against?.interval.low ?? '',
        against?.interval.high ?? '',
        against?.adjusted ?? '',
        against?.verdict ?? '',
      ];
    }),
  );
  const compared = ['first', 'firstLessThis', 'differenceLow', 'differenceHigh', 'pCorrected', 'firstIs'];
  return formatCsv(
    ['group', 'seeds', 'cell', ...columns, 'paperAccuracy', 'paperWeightedF1', ...compared],
    rows,
    options,
  );
}
