import { SETTINGS, type Setting } from '@drf/disruption';
import { summarizeSeeds, type SeedSummary } from '@drf/metrics';
import { cellNames, compareGroups, type Comparison, type Figure, type RunResult } from './comparison.js';
import type { Group } from './groups.js';
import type { PaperDrop, PaperFigures } from './paper.js';
import { findCell } from './result.js';
import { letterNote, trainedModalities } from './run-identity.js';
import type { Modality } from '@drf/tensor';

export const SUMMARY_FORMAT = 'drf-evaluation-summary/1';

/** A cell over the seeds of a group. */
export type CellSummary = { readonly cell: string; readonly paper: PaperFigures | null } & Readonly<
  Record<Figure, SeedSummary>
>;

export interface CurveSummary {
  readonly setting: Setting;
  readonly area: SeedSummary;
  readonly drop: SeedSummary | null;
  readonly paperDrop: PaperDrop | null;
}

export interface GroupSummary {
  readonly label: string;
  readonly runs: readonly string[];
  readonly seeds: readonly number[];
  /** Modalities whose encoders were fine-tuned. */
  readonly trainedEncoders: readonly Modality[];
  readonly cells: readonly CellSummary[];
  readonly curves: readonly CurveSummary[];
}

/** Content of `summary.json`. */
export interface EvaluationSummary {
  readonly format: typeof SUMMARY_FORMAT;
  readonly groups: readonly GroupSummary[];
  readonly comparisons: readonly Comparison[];
  readonly notes: readonly string[];
}

/** Means over seeds of each group, and paired differences between groups. */
export function summarizeGroups(groups: readonly Group<RunResult>[]): EvaluationSummary {
  const comparisons = groups.flatMap((first, index) =>
    groups.slice(index + 1).flatMap((second) => compareGroups(first, second) ?? []),
  );
  return { format: SUMMARY_FORMAT, groups: groups.map(summarizeGroup), comparisons, notes: groups.flatMap(notesOn) };
}

function summarizeGroup({ label, members }: Group<RunResult>): GroupSummary {
  return {
    label,
    runs: members.map(({ result }) => result.run.path),
    seeds: members.map(({ config }) => config.seed),
    trainedEncoders: members[0] === undefined ? [] : trainedModalities(members[0].config),
    cells: cellNames(members).map((cell) => {
      const cells = members.flatMap(({ result }) => findCell(result, cell) ?? []);
      const over = (figure: Figure): SeedSummary => summarizeSeeds(cells.map(({ report }) => report[figure]));
      const paper = cells[0]?.paper ?? null;
      return { cell, paper, accuracy: over('accuracy'), weightedF1: over('weightedF1'), macroF1: over('macroF1') };
    }),
    curves: SETTINGS.flatMap((setting): CurveSummary[] => {
      const curves = members.flatMap(({ result }) => result.curves.filter((curve) => curve.setting === setting));
      if (curves.length === 0) return [];
      const drops = curves.flatMap(({ drop }) => drop ?? []);
      const area = summarizeSeeds(curves.map((curve) => curve.area));
      const drop = drops.length === curves.length ? summarizeSeeds(drops) : null;
      return [{ setting, area, drop, paperDrop: curves[0]?.paperDrop ?? null }];
    }),
  };
}

function notesOn({ label, members }: Group<RunResult>): string[] {
  const hashes = new Set(members.map(({ result }) => result.evaluation.postsHash));
  const letter = letterNote(members.map(({ config }) => config));
  return [
    ...(hashes.size > 1 ? [`${label}: the seeds were evaluated on different posts`] : []),
    ...(letter === null ? [] : [letter]),
  ];
}
