import { basename, posix } from 'node:path';
import type { Storage } from '@drf/files';
import type { ImageDecoding } from '@drf/preprocessing';
import { DataError, mapAhead } from '@drf/tensor';
import { openRoot, storedRoot, type ContentRoot } from '../posts/content-root.js';
import { renamed } from '../posts/named-file.js';
import { tableOf } from '../posts/reader.js';
import type { RowRange } from '../posts/row.js';
import { folderRows, localFolder, storedFolder, type PostFolder } from '../posts/unlabeled-folder.js';
import { checksOf, onceEach, readRow, ROWS_AHEAD } from '../posts/unlabeled-posts.js';
import { tableRows, type LocatedRow, type UnlabeledResult } from '../posts/unlabeled-row.js';
import type { EncodingChoice } from '../text-decoder.js';
import { folderVersion, skipper } from './inputs.js';
import type { PlannedFile, ShardPart, ShardPlan } from './plan.js';

/** How the rows of a shard are read. */
export interface ShardOptions {
  readonly decoding: ImageDecoding;
  /** Folder or prefix (`s3://…`) that image paths are relative to (default: that of the table). Nothing outside it is read. */
  readonly root?: string;
  /** Told how the input is read, where that is worth knowing; each message once. */
  readonly onNote?: (message: string) => void;
  /** Default 64 MiB a file. */
  readonly maximumImageBytes?: number;
  /** Default 1 MiB a text. */
  readonly maximumTextBytes?: number;
}

/** A row of a shard: rows and lines count in its file, and ids without a column of ids are what the whole file gives. */
export type ShardResult = UnlabeledResult & {
  /** Path below the plan's location, as in the plan. */
  readonly file: string;
};

/**
 * Reads the rows of a shard, exactly those, in their order. Memory does not depend on how many there are: a few are
 * decoded ahead of use. A wrong row comes as its error.
 * @param storage of the plan's location
 * @param shard index into the plan's shards
 * @throws DataError where a file is not as it was planned, naming it; UnavailableError where the storage does not answer
 */
export async function* readShard(
  storage: Storage,
  plan: ShardPlan,
  shard: number,
  options: ShardOptions,
): AsyncGenerator<ShardResult> {
  const rows = partsOf(storage, plan, shard, options);
  yield* mapAhead(rows, ROWS_AHEAD, async ({ file, row, encoding }): Promise<ShardResult> => {
    return { ...(await readRow(row, options.decoding, encoding)), file };
  });
}

interface PlacedRow {
  readonly file: string;
  readonly row: LocatedRow | UnlabeledResult;
  readonly encoding: EncodingChoice;
}

async function* partsOf(
  storage: Storage,
  plan: ShardPlan,
  shard: number,
  options: ShardOptions,
): AsyncGenerator<PlacedRow> {
  const note = onceEach(options.onNote);
  for (const part of plan.shards[shard]?.parts ?? []) {
    const file = plan.files[part.file] as PlannedFile;
    const { form } = file;
    const root = await rootOf(storage, file, options.root);
    const checks = checksOf(root, options, note);
    const range = rangeOf(part);
    if (form.format === 'folder') {
      const isSkipped = skipper(plan.except);
      if ((await folderVersion(storage, isSkipped)) !== file.version) throw changedFolder(storage);
      const rows = folderRows(folderOf(storage, isSkipped), checks, range);
      for await (const row of rows) yield { file: file.path, row, encoding: form.encoding };
    } else {
      const areSeveral = plan.files.length > 1;
      const stored = await storage.open(file.path, file.version);
      const named = renamed(stored, areSeveral ? file.path : basename(file.path));
      const table = tableOf(named, form, { kind: 'unlabeled', columns: plan.columns });
      const rows = tableRows(table, checks, range, areSeveral ? `${file.path}/` : '');
      for await (const row of rows) yield { file: file.path, row, encoding: 'utf-8' };
    }
  }
}

function rangeOf({ row, rows, byte, line }: ShardPart): RowRange {
  const range = { row, rows: rows ?? Infinity };
  return byte === undefined || line === undefined ? range : { ...range, place: { byte, line } };
}

/** What image paths are relative to: what is named, else the table's own folder. */
function rootOf(storage: Storage, { path, form }: PlannedFile, named: string | undefined): Promise<ContentRoot> {
  if (form.format === 'folder') return storedRoot(storage, '');
  const folder = posix.dirname(path);
  return named === undefined ? storedRoot(storage, folder === '.' ? '' : folder) : openRoot(named);
}

/** All of a storage as a folder of images and texts. */
export function folderOf(storage: Storage, isSkipped: (path: string) => boolean): PostFolder {
  if (storage.folder !== null) return localFolder(storage.folder, undefined, isSkipped);
  return storedFolder(storage, '', isSkipped);
}

function changedFolder({ location }: Storage): DataError {
  return new DataError({
    subject: `Reading ${location}`,
    expected: 'the files as they were when the work was planned',
    received: 'others, or changed ones',
    remedy: 'restore them, or begin anew with another output',
  });
}
