import { basename, join } from 'node:path';
import { coalesce, type RowPlace } from './coalesce.js';
import type { CacheFiles } from './files.js';
import { rowLength, rowOf, type SegmentDescription } from './segment-format.js';
import { Segment } from './segment.js';
import { rowsName, segmentNames, SegmentWriter } from './segment-writer.js';

/** The segments of one encoder's folder: everyone's for reading, one of this process's own for writing. */
export class SegmentFolder {
  private readonly segments = new Map<string, Segment>();
  private writer: SegmentWriter | undefined;
  /** What was dropped as damaged, by file. */
  readonly problems: string[] = [];

  constructor(
    readonly path: string,
    private readonly description: SegmentDescription,
    private readonly files: CacheFiles,
  ) {}

  get count(): number {
    return this.segments.size;
  }

  /** Rows that were added since the last call, oldest first, so that a later row of a key overrules an earlier one. */
  async loadNew(): Promise<{ readonly digest: string; readonly place: RowPlace }[]> {
    const found: { readonly digest: string; readonly place: RowPlace }[] = [];
    for (const name of segmentNames(await this.files.list(this.path))) {
      const segment = this.segments.get(name) ?? this.add(name);
      const rows = await segment.loadNew((problem) => this.problems.push(problem));
      for (const { digest, row } of rows) found.push({ digest, place: { segment, row } });
    }
    return found;
  }

  /** Reads rows; `undefined` for those that are damaged, which are listed in {@link SegmentFolder.problems}. */
  async read(places: readonly RowPlace[]): Promise<(Float32Array | undefined)[]> {
    const result = new Array<Float32Array | undefined>(places.length).fill(undefined);
    const wanted = places.map((place, i) => ({ place, i }));
    for (const { segment, firstRow, count, wanted: rows } of coalesce(wanted, rowLength(this.description))) {
      const bytes = await segment.read(firstRow, count).catch(() => Buffer.alloc(0));
      for (const { place, i } of rows) result[i] = this.checkedRow(place, bytes, place.row - firstRow);
    }
    return result;
  }

  /** Appends rows to this process's segment, which is started at the first call. */
  async append(rows: readonly { readonly digest: string; readonly row: Float32Array }[]): Promise<RowPlace[]> {
    if (this.writer === undefined) {
      this.writer = await SegmentWriter.create(this.path, this.description, this.files);
      this.segments.set(basename(this.writer.segment.indexPath), this.writer.segment);
    }
    const { writer } = this;
    const first = await writer.append(rows);
    return rows.map((_, i) => ({ segment: writer.segment, row: first + i }));
  }

  async close(): Promise<void> {
    const { writer } = this;
    this.writer = undefined;
    await Promise.all([...this.segments.values()].map((segment) => segment.close()));
    await writer?.close();
  }

  private add(name: string): Segment {
    const paths = [join(this.path, name), join(this.path, rowsName(name))] as const;
    const segment = new Segment(...paths, this.description, this.files);
    this.segments.set(name, segment);
    return segment;
  }

  private checkedRow({ segment, row }: RowPlace, bytes: Buffer, offset: number): Float32Array | undefined {
    const start = offset * segment.rowLength;
    const slice = bytes.subarray(start, start + segment.rowLength);
    if (segment.checksOut(row, slice)) return rowOf(slice, this.description);
    this.problems.push(`${basename(segment.rowsPath)}: row ${row} is damaged; dropped`);
    return undefined;
  }
}
