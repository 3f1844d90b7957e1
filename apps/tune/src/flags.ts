import type { ColumnNames } from '@drf/datasets/names';

export interface TuneFlags extends Record<string, unknown> {
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly search?: readonly string[];
  readonly trainings?: number;
  readonly time?: number;
  readonly eta: number;
  readonly jobs?: number;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly cache: string;
  readonly own?: readonly string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Trainings where neither they nor the time is limited. */
export const DEFAULT_TRAININGS = 20;
