import { sep } from 'node:path';
import { LONGEST_PATH } from '@drf/files';
import { isObjectLocation } from '@drf/storage';
import { DataError } from '@drf/tensor';
import { InlineText, type ContentSource, type PostRecord } from '../dataset.js';
import { RowError } from '../ledger.js';
import { codedNames, isAbsenceWord, type PostRow } from './row.js';
import type { EmbeddedImage } from './image-cell.js';
import type { ContentRoot, FoundContent } from './content-root.js';

/** What a row's text and image are checked against. */
export interface ContentChecks {
  /** What image paths are relative to. */
  readonly root: ContentRoot;
  readonly maximumImageBytes: number;
  readonly maximumTextBytes: number;
  /** Told what is worth knowing about a row that is kept. */
  readonly note: (message: string, id: string) => void;
  /** Makes a source of an image that came inside the row. */
  readonly keepImage: (bytes: Uint8Array, description: string) => ContentSource;
}

/** Where a row's text and image come from; `null`: missing. */
export interface RowContent {
  readonly image: ContentSource | null;
  readonly text: ContentSource | null;
}

type ContentRow = Pick<PostRow, 'id' | 'text' | 'image' | 'usualImage'>;

/**
 * Finds a row's text and image.
 * @param place the row, for errors
 * @throws RowError when the image is missing, empty or outside the root, a text is too large, or both are absent
 */
export async function rowContent(place: string, row: ContentRow, checks: ContentChecks): Promise<RowContent> {
  const image = await rowImage(place, row, checks);
  const text = textSource(place, row, checks);
  if (image !== null || text !== null) return { image, text };
  const report = { subject: place, expected: 'text or an image, or both', received: 'neither' };
  throw new RowError(row.text === null ? 'missing image and text' : 'empty text', {
    ...report,
    remedy: 'fill in one of them or remove the row',
  });
}

async function rowImage(place: string, row: ContentRow, checks: ContentChecks): Promise<ContentSource | null> {
  const { id, image, usualImage } = row;
  if (image !== null && typeof image !== 'string') return embeddedImage(place, image, checks);
  if (image !== null && isAbsenceWord(image) && !(await isThere(image, checks))) {
    checks.note(`"${image}" in the column of images, taken as no image`, id);
    return null;
  }
  if (image !== null) return imageSource(place, id, image, checks);
  if (usualImage === undefined) return null;
  if (await isThere(usualImage, checks)) return imageSource(place, id, usualImage, checks);
  checks.note('no image named, and none at data/{id}.jpg; taken as text alone', id);
  return null;
}

/** Whether a file is at a path below the root. */
async function isThere(path: string, { root }: ContentChecks): Promise<boolean> {
  if (path.length > LONGEST_PATH) return false;
  return (await root.find(path).catch(() => null)) !== null;
}

/** @throws RowError when there are no bytes, or too many */
function embeddedImage(place: string, { bytes, name }: EmbeddedImage, checks: ContentChecks): ContentSource {
  const { length } = bytes;
  const maximum = checks.maximumImageBytes;
  const subject = `${place}, column image`;
  if (length > maximum) {
    const expected = `an image of at most ${maximum} bytes`;
    throw new RowError('image too large', { subject, expected, received: `${length} bytes`, remedy: 'shrink it' });
  }
  if (length > 0)
    return checks.keepImage(bytes, name === null ? 'inside the table' : `${shown(name)} inside the table`);
  throw new RowError('empty image file', {
    subject,
    expected: 'the bytes of an image',
    received: 'none',
    remedy: 'fill them in, or leave the cell empty',
  });
}

function textSource(place: string, row: ContentRow, checks: ContentChecks): ContentSource | null {
  const text = row.text?.trim() ?? null;
  if (text === null) return null;
  if (text === '') {
    if (row.image !== null) checks.note('empty text, taken as missing', row.id);
    return null;
  }
  const maximumBytes = checks.maximumTextBytes;
  const size = Buffer.byteLength(text);
  if (size <= maximumBytes && /\p{Surrogate}|\ufffd/u.test(text)) {
    checks.note('half a character in the text (an unpaired surrogate, or U+FFFD in its place), read as U+FFFD', row.id);
  }
  if (size <= maximumBytes) return new InlineText(text);
  const expected = `a text of at most ${maximumBytes} bytes`;
  throw new RowError('text too large', { subject: place, expected, received: `${size} bytes`, remedy: 'shorten it' });
}

/**
 * An image that a row names. A path that another system wrote with backslashes is read with slashes, where nothing
 * stands at it as written; so is one whose file has another Unicode form of its name or another case of its ending.
 * @throws RowError when it is missing, empty, or outside the root
 */
export async function imageSource(
  place: string,
  id: string,
  path: string,
  checks: ContentChecks,
): Promise<ContentSource> {
  const { root, maximumImageBytes } = checks;
  const isAddress = /^(https?|ftp|s3|gs):\/\/|^data:/i.test(path);
  if (isAddress && !(root.hasAddresses && isObjectLocation(path))) throw asAddress(place, path);
  if (sep === '/' && /^[A-Za-z]:[\\/]|^\\\\/.test(path)) throw onAnotherDrive(place, path, root.name);
  if (path.length > LONGEST_PATH) throw tooLong(place, path);
  let found = await locate(place, path, root);
  if (found === null && sep === '/' && path.includes('\\')) {
    found = await locate(place, path.replaceAll('\\', '/'), root);
  }
  let received = found?.bytes === 0 ? '0 bytes' : 'nothing there';
  if (found === null) {
    const { same, similar } = await root.variants(sep === '/' ? path.replaceAll('\\', '/') : path);
    if (same.length === 1) found = await locate(place, same[0] as string, root);
    if (found !== null && found.bytes > 0)
      checks.note('image found under another Unicode form of its name or another case of its ending', id);
    const others = same.length > 1 ? same : similar;
    if (others.length > 0) received += `, but ${others.map((other) => JSON.stringify(shown(other))).join(' and ')}`;
  }
  if (found !== null && found.bytes > 0) return found.source(maximumImageBytes);
  throw new RowError(found?.bytes === 0 ? 'empty image file' : 'missing image', {
    subject: `${place}, column image`,
    expected: `an image file ${shown(path)} inside ${root.name}`,
    received,
    remedy: 'restore the file, correct the path, or name another root',
  });
}

/** The file at a path below the root, or null. @throws RowError when it leads out */
async function locate(place: string, path: string, root: ContentRoot): Promise<FoundContent | null> {
  return root.find(path).catch((cause: unknown) => {
    if (!(cause instanceof DataError)) throw cause;
    throw new RowError('path outside the root', { ...cause.report, subject: `${place}, column image` }, { cause });
  });
}

const SHOWN_CHARACTERS = 200;

/** Of a path as much as helps to find it: a cell of a table may hold anything. */
function shown(path: string): string {
  return path.length <= SHOWN_CHARACTERS ? path : `${path.slice(0, SHOWN_CHARACTERS)}…`;
}

function asAddress(place: string, path: string): RowError {
  return new RowError('missing image', {
    subject: `${place}, column image`,
    expected: 'the path of an image file',
    received: `the address ${shown(path)}`,
    remedy: 'save the image as a file and name that: nothing is fetched',
  });
}

function tooLong(place: string, path: string): RowError {
  return new RowError('missing image', {
    subject: `${place}, column image`,
    expected: `a path of at most ${LONGEST_PATH} characters`,
    received: `${path.length} characters, ${JSON.stringify(shown(path))}`,
    remedy: 'write the path of an image file there',
  });
}

function onAnotherDrive(place: string, path: string, root: string): RowError {
  return new RowError('path outside the root', {
    subject: `${place}, column image`,
    expected: `a path inside ${root}`,
    received: `${JSON.stringify(shown(path))}, on a drive of Windows`,
    remedy: 'write paths relative to that folder, such as images\\1.jpg or images/1.jpg',
  });
}

/** A row that passed every check, before the class names are known. */
export interface CheckedRow extends Omit<PostRecord, 'label'> {
  readonly label: string;
  /** As in {@link PostRow}; the label is the number until all rows are known. */
  readonly code?: number;
}

export interface RowChecks extends ContentChecks {
  /** Split of rows that name none. */
  readonly split: string | null;
  readonly classes: readonly string[] | undefined;
}

/**
 * Checks a row against the class names and the file system, and makes its record.
 * @param place the row, for errors
 * @throws RowError when the label is unknown, the image is missing, empty or outside the root, or both are absent
 */
export async function checkRow(place: string, row: PostRow, checks: RowChecks): Promise<CheckedRow> {
  const { code } = row;
  const label = code === undefined ? row.label : (codedNames([code], checks.classes)[code] ?? row.label);
  checkLabel(place, label, checks.classes);
  const content = await rowContent(place, row, checks);
  const split = row.split ?? checks.split;
  return {
    id: row.id,
    label: row.label,
    ...(code === undefined ? {} : { code }),
    ...content,
    ...(split === null ? {} : { split }),
  };
}

function checkLabel(place: string, label: string, classes: readonly string[] | undefined): void {
  if (classes === undefined || classes.includes(label) || classes.includes(plainNumber(label))) return;
  const report = {
    subject: `${place}, column label`,
    expected: `one of ${classes.join(', ')}`,
    received: `"${label}"`,
  };
  throw new RowError('bad row', { ...report, remedy: 'correct the label or name other classes' });
}

/** A whole number without the `.0` that columns of decimals give it; any other label as it is. */
export function plainNumber(label: string): string {
  return /^[-+]?\d+\.0+$/.test(label) ? label.slice(0, label.indexOf('.')) : label;
}
