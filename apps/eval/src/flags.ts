import type { ColumnNames, EncodingChoice, SplitName } from '@drf/datasets/names';
import type { Projection, SplitChoice } from '@drf/evaluation/names';
import type { RunnerFlags } from '@drf/units/options';

/** Options of the command line as they are parsed. */
export interface MainOptions {
  readonly split?: SplitChoice;
  readonly splitFile?: string;
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly dataset?: string;
  readonly datasetOptions?: Readonly<Record<string, string>>;
  readonly datasetRoot?: string;
  readonly datasetFile?: string;
  readonly 'dataset.encoding'?: EncodingChoice;
  readonly cells?: string;
  readonly ratios?: string;
  readonly manifest?: string;
  readonly seed?: number;
  readonly checkpoint?: string;
  readonly engine?: string;
  readonly reference?: string;
  readonly allowDownload?: boolean;
  readonly cache: string;
  readonly out?: string;
  readonly csv?: string;
  readonly rawCsv?: boolean;
  readonly details?: boolean;
  readonly posts?: number;
  readonly explain?: number;
  readonly track?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export interface GridFlags extends Record<string, unknown>, RunnerFlags {
  readonly experiments?: string;
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly methods?: string;
  readonly seeds?: string;
  readonly settings?: string;
  readonly modalities?: string;
  readonly dr?: string;
  readonly corruptions?: string;
  readonly severities?: string;
  readonly trainedOn?: string;
  readonly ablations?: string;
  readonly ablated?: string;
  readonly split?: SplitName;
  readonly folds?: number;
  readonly schedules?: string;
  readonly out: string;
  readonly cache: string;
  readonly jobs?: number;
  readonly anyCode?: boolean;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export interface ScheduleFlags extends GridFlags {
  readonly rates: string;
  readonly epochs: string;
  readonly store: string;
}

export interface ReportFlags {
  readonly out: string;
  readonly reference?: string;
  readonly projection: Projection;
  readonly posts: number;
  readonly charts: boolean;
  readonly details?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export interface ResultsFlags {
  readonly out: string;
  readonly reference?: string;
  readonly tables?: string;
  readonly charts?: string;
}

export interface MergeFlags {
  readonly out: string;
  readonly json?: boolean;
}

/** Of a grid. */
export const DEFAULT_SEEDS = '0-4';
