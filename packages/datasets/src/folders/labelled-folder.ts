import { resolve } from 'node:path';
import { mapAhead } from '@drf/tensor';
import { ContentDataset } from '../content-dataset.js';
import type { Dataset, PostRecord } from '../dataset.js';
import { Ledger, RowError } from '../ledger.js';
import type { ContentOptions } from '../options.js';
import type { TextEncoding } from '../text-decoder.js';
import { ContentFolder, locatePost, type LocatedPost } from './content-folder.js';
import { labelledLines, readLabelFile, type LabelledLine } from './label-lines.js';
import type { FolderLayout } from './layouts.js';
import { findEncodings, noteEncodings } from './text-encodings.js';

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
  const locate = (line: LabelledLine): Promise<LocatedPost | RowError> =>
    locatePost(layout.name, line, images, texts, options).catch(rowErrorOnly);

  const located: LocatedPost[] = [];
  let done = 0;
  for await (const result of mapAhead(lines, 32, locate)) {
    const { id, line } = lines[done++] as LabelledLine;
    if (result instanceof RowError) ledger.drop({ id, line, reason: result.reason, detail: result.message });
    else located.push(result);
    if (done % 1000 === 0 || done === lines.length) options.onProgress(done, lines.length);
  }
  ledger.keep(located.length);
  const { name, classes } = layout;
  const { encoding, records } = await withEncodings(layout, located, options, ledger);
  return new ContentDataset({ name, classes, records, ledger, decoding: options.decoding, encoding });
}

/** Records whose texts have an encoding: that which was named, or those that are found out. */
async function withEncodings(
  layout: FolderLayout,
  located: readonly LocatedPost[],
  options: ContentOptions,
  ledger: Ledger,
): Promise<{ readonly encoding: TextEncoding; readonly records: readonly PostRecord[] }> {
  if (options.encoding !== 'auto') return { encoding: options.encoding, records: located };
  const found = await findEncodings(
    located.map(({ text }) => text),
    layout.encoding,
  );
  noteEncodings(found, located, ledger);
  const records = located.map((post, index): PostRecord => {
    const encoding = found.others.get(index);
    return encoding === undefined ? post : { ...post, text: post.text.readAs(encoding) };
  });
  return { encoding: found.usual, records };
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
