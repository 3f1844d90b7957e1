import type { ColumnNames } from '@drf/datasets/names';
import type { PresetName } from '@drf/training/experiments';

export interface MainOptions extends Record<string, unknown> {
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly preset?: PresetName;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly resume?: string;
  readonly allowDownload?: boolean;
  readonly cache: string;
  readonly stopAfter?: number;
  readonly track?: string;
  readonly distributed?: 'mpi';
  readonly distributedCheck?: number;
  readonly dryRun?: boolean;
  readonly examples?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}
