import type { ColumnNames, EncodingChoice } from '@drf/datasets/names';
import type { EmbeddedPart } from '@drf/experiment';

export interface MainOptions extends Record<string, unknown> {
  readonly out: string;
  readonly run?: string;
  readonly checkpoint?: string;
  readonly experiment?: string;
  readonly what: EmbeddedPart;
  readonly root?: string;
  readonly encoding: EncodingChoice;
  readonly columns?: ColumnNames;
  readonly engine?: string;
  readonly cache: string | false;
  readonly allowDownload?: boolean;
  readonly overwrite?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}
