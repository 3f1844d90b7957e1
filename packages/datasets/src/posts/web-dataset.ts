import { extract, type Extract } from 'tar-stream';
import type { StoredFile } from '@drf/files';
import { DataError, isDrfError } from '@drf/tensor';
import { messageOf, RowError } from '../ledger.js';
import { decodeText } from '../text-decoder.js';
import { encodingOf } from '../text-evidence.js';
import { cellsByRole, findColumns, type ColumnNames } from './columns.js';
import { parseJson } from './json.js';
import { ALL_ROWS, type RawRow, type ReadOptions } from './row.js';

/** Of a member; the limits that a person sets are checked later. */
const LARGEST_BYTES = { image: 64 * 1024 * 1024, text: 1024 * 1024, fields: 1024 * 1024 } as const;

/** What members of a post are, by what stands behind the first dot of their names. */
const KINDS: Readonly<Record<string, keyof typeof LARGEST_BYTES | 'class'>> = {
  jpg: 'image',
  jpeg: 'image',
  png: 'image',
  webp: 'image',
  txt: 'text',
  json: 'fields',
  cls: 'class',
};

const BLOCK_BYTES = 512;

type Entry = Extract extends AsyncIterable<infer Item> ? Item : never;

/** Whether bytes begin as a tar does (POSIX and GNU). */
export function isTar(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(257, 262)).toString('latin1') === 'ustar';
}

/** Members of a tar that follow each other and share a key. */
interface Group {
  readonly key: string;
  readonly members: Map<keyof typeof LARGEST_BYTES, { readonly name: string; readonly bytes: Buffer }>;
  /** What is wrong with one of them. */
  error: RowError | null;
}

/**
 * Reads a WebDataset: a tar whose members belong together by their names up to the first dot (`00001.jpg`, `00001.txt`,
 * `00001.json`) and stand one after the other. The text is that of `.txt`, else of a field of `.json` such as `text` or
 * `caption`; the id is that of `.json`, else the key. Names are nothing but keys: no path and no link is followed. One post
 * is held at a time. Posts count from 1.
 *
 * A tar that breaks off gives the posts before that and then an error; the post that it broke off in is not used, since
 * nobody knows what else it had.
 * @throws DataError where the file is no tar at all
 */
export async function* readWebDataset(
  file: StoredFile,
  { named = {}, range: { row, rows } = ALL_ROWS, onNote }: ReadOptions = {},
): AsyncGenerator<RawRow> {
  const ignored: Ignored = { count: 0, example: '' };
  let post = 0;
  try {
    for await (const group of groupsOf(file, ignored)) {
      if (++post <= row) continue;
      if (post > row + rows) return;
      yield rowOf(file, group, post, named);
    }
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    if (++post > row && post <= row + rows) yield { line: post, error };
  }
  if (ignored.count > 0) {
    const first = JSON.stringify(ignored.example);
    onNote?.(`${ignored.count} members are neither images nor texts of posts and are not used (the first is ${first})`);
  }
}

interface Ignored {
  count: number;
  example: string;
}

async function* groupsOf(file: StoredFile, ignored: Ignored): AsyncGenerator<Group> {
  let group: Group | null = null;
  for await (const { name, type, size, bytes } of membersOf(file)) {
    const { key, kind } = partsOf(name);
    if (kind === undefined || type !== 'file') {
      if (type === 'directory') continue;
      ignored.count++;
      ignored.example ||= name;
      continue;
    }
    if (group !== null && group.key !== key) {
      yield group;
      group = null;
    }
    if (kind !== 'class') addMember(file.path, (group ??= { key, members: new Map(), error: null }), kind, { name, size, bytes }); // prettier-ignore
  }
  if (group !== null) yield group;
}

/** A member's key and kind; no kind where it is none that posts have, as hidden files and what macOS adds. */
function partsOf(name: string): { readonly key: string; readonly kind?: (typeof KINDS)[string] | undefined } {
  const start = name.lastIndexOf('/') + 1;
  const dot = name.indexOf('.', start);
  if (dot <= start) return { key: name };
  return { key: name.slice(0, dot), kind: KINDS[name.slice(dot + 1).toLowerCase()] };
}

function addMember(
  path: string,
  group: Group,
  kind: keyof typeof LARGEST_BYTES,
  { name, size, bytes }: Omit<Member, 'type'>,
): void {
  const subject = `${path}, ${name}`;
  const other = group.members.get(kind);
  if (bytes === null) {
    const reason = kind === 'image' ? 'image too large' : 'text too large';
    const report = { subject, expected: `at most ${LARGEST_BYTES[kind]} bytes`, received: `${size} bytes` };
    group.error ??= new RowError(reason, { ...report, remedy: 'shrink it, or leave it out' });
  } else if (other === undefined) group.members.set(kind, { name, bytes });
  else {
    const expected = `one ${kind === 'image' ? 'image' : `.${kind === 'text' ? 'txt' : 'json'}`} of this name`;
    const received = `${JSON.stringify(other.name)} and ${JSON.stringify(name)}`;
    group.error ??= new RowError('bad row', { subject, expected, received, remedy: 'rename all but one of them' });
  }
}

interface Member {
  readonly name: string;
  readonly type: Entry['header']['type'];
  readonly size: number;
  /** `null` where it is none that is used, or too large. */
  readonly bytes: Buffer | null;
}

/** Members one after the other. @throws RowError where the tar breaks off */
async function* membersOf(file: StoredFile): AsyncGenerator<Member> {
  const members = extract();
  const end = new TarEnd();
  let [count, failure] = [0, undefined as unknown];
  const fed = feed(members, end.watch(file.stream())).catch((error: Error) => {
    failure ??= error;
    members.destroy(error);
  });
  try {
    for await (const entry of members) {
      const { name, type, size } = entry.header;
      const { kind } = partsOf(name);
      const isUsed = kind !== undefined && kind !== 'class' && type === 'file' && size <= LARGEST_BYTES[kind];
      const bytes = isUsed ? await contentOf(entry) : null;
      if (!isUsed) entry.resume();
      count++;
      yield { name, type, size, bytes };
    }
  } catch (error) {
    failure ??= error;
  } finally {
    members.destroy(null);
    await fed;
  }
  if (isDrfError(failure)) throw failure; // of the storage, or of gzip
  if (failure !== undefined && count === 0) throw noTar(file, failure);
  if (failure !== undefined) throw brokenOff(file, messageOf(failure));
  if (!end.isThere) throw brokenOff(file, 'no closing blocks');
}

async function contentOf(entry: Entry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of entry as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function feed(members: Extract, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const closed = new Promise<void>((resolve) => members.once('close', resolve));
  for await (const chunk of chunks) {
    if (members.destroyed) return;
    if (!members.write(chunk)) await Promise.race([closed, new Promise<void>((resolve) => members.once('drain', resolve))]); // prettier-ignore
  }
  members.end(null);
}

/** Watches for the zeros that close a tar: one that is cut between two members has none. */
class TarEnd {
  private last = Buffer.alloc(0);

  get isThere(): boolean {
    return this.last.length === BLOCK_BYTES && this.last.every((byte) => byte === 0);
  }

  async *watch(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.last = Buffer.concat([this.last, chunk.subarray(-BLOCK_BYTES)]).subarray(-BLOCK_BYTES);
      yield chunk;
    }
  }
}

function rowOf({ path }: StoredFile, { key, members, error }: Group, post: number, named: ColumnNames): RawRow {
  const subject = `${path}, post ${post} (${key})`;
  try {
    if (error !== null) throw error;
    const written = members.get('fields');
    const fields = written === undefined ? {} : fieldsOf(`${path}, ${written.name}`, written.bytes);
    const present = Object.keys(fields);
    const found = findColumns(present, named);
    const text = members.get('text');
    const image = members.get('image');
    const cells = cellsByRole(fields, found);
    const own = { __key__: key, ...fields };
    return {
      line: post,
      columns: found,
      own: text === undefined ? own : { ...own, txt: decoded(subject, text.bytes) },
      key,
      cells: {
        ...cells,
        ...(text === undefined ? {} : { text: decoded(`${path}, ${text.name}`, text.bytes) }),
        image: image === undefined ? null : { bytes: image.bytes, path: image.name },
      },
    };
  } catch (problem) {
    if (!(problem instanceof RowError)) throw problem;
    return { line: post, error: problem };
  }
}

function decoded(subject: string, bytes: Buffer): string {
  return decodeText(subject, bytes, encodingOf(bytes));
}

function fieldsOf(subject: string, bytes: Buffer): Readonly<Record<string, unknown>> {
  const expected = 'a JSON object';
  try {
    const value = parseJson(decoded(subject, bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    if (cause instanceof RowError) throw cause;
    throw new RowError('bad row', { subject, expected, received: messageOf(cause), remedy: 'correct it' }, { cause });
  }
  throw new RowError('bad row', { subject, expected, received: 'another value', remedy: 'correct it' });
}

function noTar({ name }: StoredFile, cause: unknown): DataError {
  const report = { subject: `Reading ${name}`, expected: 'a tar of posts (WebDataset)', received: messageOf(cause) };
  return new DataError({ ...report, remedy: 'write or fetch it again' }, { cause });
}

function brokenOff({ path }: StoredFile, received: string): RowError {
  return new RowError('unreadable file', {
    subject: `Reading ${path}`,
    expected: 'a whole tar',
    received: `one that breaks off or is damaged here (${received})`,
    remedy: 'fetch or write it again; the posts before this place are read',
  });
}
