import { DataError } from '@drf/tensor';
import type { PostRecord } from '../dataset.js';
import type { ContentOptions } from '../options.js';
import { messageOf, RowError, type DropReason } from '../row-error.js';
import { FileSource } from '../source.js';
import type { ContentFolder } from './content-folder.js';
import type { LabelledLine } from './label-lines.js';

/** A post with both of its files. */
export interface LocatedPost extends PostRecord {
  readonly text: FileSource;
}

/**
 * Checks that both files of a post are there and hold something, and makes its record.
 * @throws RowError naming what is missing, empty, or outside the root
 */
export async function locatePost(
  name: string,
  { id, label, line }: LabelledLine,
  images: ContentFolder,
  texts: ContentFolder,
  options: ContentOptions,
): Promise<LocatedPost> {
  const [imageFile, textFile] = [`${id}.jpg`, `${id}.txt`];
  const [foundImage, foundText] = [images.find(imageFile), texts.find(textFile)];
  const subject = `${name} post ${id}`;
  const expected = `files ${imageFile} and ${textFile}`;
  const fail = (reason: DropReason, received: string): RowError =>
    new RowError(reason, { subject, expected, received, remedy: 'restore the files, or leave the post out' });
  if (foundImage === undefined && foundText === undefined) throw fail('missing image and text', 'neither');
  if (foundImage === undefined) throw fail('missing image', `no ${imageFile}`);
  if (foundText === undefined) throw fail('missing text', `no ${textFile}`);
  const [image, text] = await Promise.all([images.locate(foundImage), texts.locate(foundText)]).catch(asRowError);
  if (image.size === 0) throw fail('empty image file', `${imageFile} of 0 bytes`);
  if (text.size === 0) throw fail('empty text file', `${textFile} of 0 bytes`);
  return {
    id,
    label,
    line,
    image: new FileSource(images.root, image.path, options.maximumImageBytes),
    text: new FileSource(texts.root, text.path, options.maximumTextBytes),
  };
}

function asRowError(error: unknown): never {
  if (!(error instanceof DataError)) throw error;
  const outside = messageOf(error).includes('leads outside');
  throw new RowError(outside ? 'path outside the root' : 'unreadable file', error.report, { cause: error });
}
