import type { ColumnNames, EncodingChoice } from '@drf/datasets/names';

export interface MainOptions {
  readonly with?: readonly string[];
  readonly text?: string;
  readonly image?: string;
  readonly out?: string;
  readonly root?: string;
  readonly 'dataset.encoding': EncodingChoice;
  readonly columns?: ColumnNames;
  readonly checkpoint?: string;
  readonly engine: string;
  readonly allowDownload?: boolean;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly rawCsv?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}
