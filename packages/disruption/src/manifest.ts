import { CheckpointError, DataError } from '@drf/tensor';
import { headerRow, parseHeader, type ManifestHeader } from './manifest-header.js';
import { parseEntry } from './manifest-row.js';
import type { DisruptionEntry } from './plan.js';
import { assertStrategy, formatStrategy } from './strategy.js';

/** What was disrupted, so that anyone can repeat it. */
export interface Manifest {
  readonly header: ManifestHeader;
  readonly entries: readonly DisruptionEntry[];
  /** The entries by post id: `applyDisruption(post, manifest.byId.get(post.id))`. */
  readonly byId: ReadonlyMap<string, DisruptionEntry>;
}

function duplicate(subject: string, id: string, firstLine: number): DataError {
  return new DataError({
    subject,
    expected: 'each post once',
    received: `${JSON.stringify(id)} again, after line ${firstLine}`,
    remedy: 'remove one of the two rows',
  });
}

/**
 * A manifest's text, JSON Lines: a header line (format, version, seed, strategy, how pixels and words are chosen, image
 * size), then one row a disrupted post.
 * @param name what messages call it, such as its path
 * @throws ConfigurationError for a strategy out of range; DataError for an entry that does not fit the strategy, or a
 * post twice
 */
export function formatManifest(name: string, header: ManifestHeader, entries: readonly DisruptionEntry[]): string {
  assertStrategy(header.strategy);
  const rows: DisruptionEntry[] = [];
  const lines = new Map<string, number>();
  for (const entry of entries) {
    const line = rows.length + 2;
    const subject = `Manifest ${name}, line ${line}`;
    rows.push(parseEntry(subject, entry, header.strategy));
    const earlier = lines.get(entry.id);
    if (earlier !== undefined) throw duplicate(subject, entry.id, earlier);
    lines.set(entry.id, line);
  }
  const first = headerRow(header, formatStrategy(header.strategy), rows.length);
  return [first, ...rows].map((row) => `${JSON.stringify(row)}\n`).join('');
}

function parseLine(subject: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new DataError(
      {
        subject,
        expected: 'a JSON object',
        received: (error as Error).message,
        remedy: 'repair the row or make the manifest again',
      },
      { cause: error },
    );
  }
}

/**
 * Reads a manifest's text and checks every row.
 * @param name what messages call it, such as its path
 * @throws DataError naming the line of a bad row; CheckpointError for a text that is foreign, of another version or cut
 * short
 */
export function parseManifest(name: string, text: string): Manifest {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const subjectOf = (index: number): string => `Manifest ${name}, line ${index + 1}`;
  const { header, entries: expected } = parseHeader(name, parseLine(subjectOf(0), lines[0] ?? ''));
  const byId = new Map<string, DisruptionEntry>();
  for (let index = 1; index < lines.length; index++) {
    const subject = subjectOf(index);
    const entry = parseEntry(subject, parseLine(subject, lines[index] as string), header.strategy);
    if (byId.has(entry.id)) throw duplicate(subject, entry.id, [...byId.keys()].indexOf(entry.id) + 2);
    byId.set(entry.id, entry);
  }
  if (byId.size !== expected) {
    throw new CheckpointError({
      subject: `Manifest ${name}`,
      expected: `${expected} entries, as its header says`,
      received: `${byId.size}`,
      remedy: 'the file was cut short or edited; make it again',
    });
  }
  return { header, entries: [...byId.values()], byId };
}
