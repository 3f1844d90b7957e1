import { resolve } from 'node:path';
import { ContentDataset } from '../content-dataset.js';
import type { Dataset, PostRecord } from '../dataset.js';
import { Ledger } from '../ledger.js';
import type { ContentOptions } from '../options.js';
import { mapAhead } from '../parallel.js';
import { RowError } from '../row-error.js';
import { ContentFolder } from './content-folder.js';
import { labelledLines, readLabelFile, type LabelledLine } from './label-lines.js';
import type { FolderLayout } from './layout.js';
import { locatePost } from './locate-post.js';

/** Opens a data set in its published layout; see {@link FolderLayout}. Nothing outside `root` is read. */
export async function openLabelledFolder(
  layout: FolderLayout,
  root: string,
  options: ContentOptions,
): Promise<Dataset> {
  const description = `its layout: ${layout.labelFile}, ${layout.imageFolder}/{id}.jpg and {id}.txt`;
  const subject = `Opening ${layout.name}`;
  const images = await ContentFolder.open(subject, root, layout.imageFolder, description);
  const texts = await openTextFolder(subject, root, layout, images, description);
  const ledger = new Ledger(resolve(root));
  const lines = labelledLines(layout, await readLabelFile(root, layout.labelFile), ledger);
  const locate = (line: LabelledLine): Promise<PostRecord | RowError> =>
    locatePost(layout.name, line, images, texts, options).catch(rowErrorOnly);

  const records: PostRecord[] = [];
  let done = 0;
  for await (const result of mapAhead(lines, 32, locate)) {
    const { id, line } = lines[done++] as LabelledLine;
    if (result instanceof RowError) ledger.drop({ id, line, reason: result.reason, detail: result.message });
    else records.push(result);
    if (done % 1000 === 0 || done === lines.length) options.onProgress(done, lines.length);
  }
  ledger.keep(records.length);
  const { name, classes } = layout;
  return new ContentDataset({ name, classes, records, ledger, decoding: options.decoding, encoding: options.encoding });
}

async function openTextFolder(
  subject: string,
  root: string,
  layout: FolderLayout,
  images: ContentFolder,
  description: string,
): Promise<ContentFolder> {
  for (const name of layout.textFolders) {
    const folder = name === layout.imageFolder ? images : await ContentFolder.open(subject, root, name, description);
    if (folder.hasEnding('.txt')) return folder;
  }
  return images;
}

function rowErrorOnly(error: unknown): RowError {
  if (error instanceof RowError) return error;
  throw error;
}
