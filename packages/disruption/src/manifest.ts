import { CheckpointError, DataError, MODALITIES } from '@drf/tensor';
import type { DisruptionEntry } from './plan.js';
import { assertStrategy, formatStrategy, parseStrategy, type Seed, type Strategy } from './strategy.js';
import { DEFAULT_MASK, FRACTION_RANGE, PIXEL_RULE, WORD_RULE } from './corrupt.js';
import type { ImageSize } from './fill.js';
import { corruptedModality, corruptionRule, isCorruptionName } from './corruptions.js';
import { SEVERITIES } from './severity.js';
import { isSplitMixSeed } from './split-mix.js';

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

const MANIFEST_FORMAT = 'drf-disruption-manifest';

/**
 * What a manifest's version says that its rows may hold: of 1, the paper's corruptions, discarding and disruptions of the
 * user's own; of 2, corruptions with severities and missing rates as well. What 1 can say is written as 1, so that
 * readers of that version go on reading it.
 */
const MANIFEST_VERSIONS = [1, 2] as const;

function versionOf({ kind }: Strategy): (typeof MANIFEST_VERSIONS)[number] {
  return kind === 'corruption' || kind === 'missing' ? 2 : 1;
}

/** What a manifest says before its rows. */
export interface ManifestHeader {
  readonly seed: Seed;
  readonly strategy: Strategy;
  /** The size at which pixels are chosen, after scaling and cropping; null: each image's own size. */
  readonly imageSize: ImageSize | null;
  /** What stands for a masked word; `[MASK]` unless told otherwise. */
  readonly mask?: string;
  /** Which posts: a data set and split, in words. */
  readonly source?: string;
}

/** The header line's content; rules in words, for whoever repeats the disruptions elsewhere. */
function headerRow(header: ManifestHeader, strategy: string, entries: number): Record<string, unknown> {
  return {
    format: MANIFEST_FORMAT,
    version: versionOf(header.strategy),
    seed: header.seed,
    strategy,
    imageSize: header.imageSize,
    mask: header.mask ?? DEFAULT_MASK,
    ...(header.source === undefined ? {} : { source: header.source }),
    entries,
    ...rulesOf(header.strategy),
  };
}

/** How rows are repeated elsewhere, in words. */
function rulesOf(strategy: Strategy): Record<string, unknown> {
  if (strategy.kind === 'missing') return {};
  if (strategy.kind === 'corruption') {
    return { corruption: { name: strategy.corruption, ...corruptionRule(strategy.corruption) } };
  }
  const fractions = `drawn uniformly from [${FRACTION_RANGE.low}, ${FRACTION_RANGE.high})`;
  return { fractions, pixels: PIXEL_RULE, words: WORD_RULE };
}

function isSize(value: unknown): value is ImageSize {
  if (typeof value !== 'object' || value === null) return false;
  const { width, height } = value as Record<string, unknown>;
  return [width, height].every((side) => Number.isSafeInteger(side) && (side as number) > 0);
}

/**
 * Reads the header line's content.
 * @throws CheckpointError when it is no manifest of ours, of another version, or damaged
 */
function parseHeader(name: string, row: unknown): { header: ManifestHeader; entries: number } {
  const fail = (expected: string, received: unknown): CheckpointError =>
    new CheckpointError({
      subject: `Manifest ${name}, line 1`,
      expected,
      received: JSON.stringify(received) ?? 'nothing',
      remedy: 'make the manifest again',
    });
  const fields = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>;
  const { format, version, seed, strategy: text, imageSize, mask, source, entries } = fields;
  if (format !== MANIFEST_FORMAT) throw fail(`the format ${JSON.stringify(MANIFEST_FORMAT)}`, format);
  if (!MANIFEST_VERSIONS.some((known) => known === version)) throw fail('version 1 or 2', version);
  if (typeof seed !== 'string' && typeof seed !== 'number') throw fail('a seed', seed);
  if (typeof text !== 'string') throw fail('a strategy', text);
  const strategy = parseStrategy(text);
  const due = versionOf(strategy);
  if (due > Number(version)) throw fail(`version ${due}, which knows the strategy ${text}`, version);
  if (imageSize !== null && !isSize(imageSize)) throw fail('imageSize null or { width, height }', imageSize);
  if (typeof mask !== 'string') throw fail('a mask', mask);
  if (source !== undefined && typeof source !== 'string') throw fail('a source in words', source);
  if (!Number.isSafeInteger(entries)) throw fail('the number of entries', entries);
  if (strategy.kind === 'corruption') {
    const { levels } = corruptionRule(strategy.corruption);
    const rule = { name: strategy.corruption, levels };
    const { name: own, levels: given } = (fields['corruption'] ?? {}) as Record<string, unknown>;
    if (JSON.stringify({ name: own, levels: given }) !== JSON.stringify(rule)) {
      throw fail(`the corruption that this version knows, ${JSON.stringify(rule)}`, fields['corruption']);
    }
  }
  return {
    header: { seed, strategy, imageSize, mask, ...(source === undefined ? {} : { source }) },
    entries: entries as number,
  };
}

function isFraction(value: unknown): value is number {
  return typeof value === 'number' && value >= FRACTION_RANGE.low && value <= FRACTION_RANGE.high;
}

function fitsStrategy(entry: DisruptionEntry, strategy: Strategy): boolean {
  if (strategy.kind === 'none') return false;
  if (strategy.kind === 'own' || entry.own !== undefined) return strategy.kind === 'own' && entry.own === strategy.own;
  if (strategy.kind === 'corruption') {
    const isSevere = strategy.severity === null || entry.severity === strategy.severity;
    return entry.corruption === strategy.corruption && isSevere;
  }
  if (entry.corruption !== undefined) return false;
  if (strategy.kind === 'missing') return entry.operation === 'discard' && strategy[entry.modality] > 0;
  if (strategy.kind === 'modality-fixed' && strategy.modality !== entry.modality) return false;
  if (strategy.setting === 'C+D') return true;
  return (strategy.setting === 'C') === (entry.operation === 'corrupt');
}

/**
 * Checks one row of a manifest.
 * @param subject file and line, for the message
 * @throws DataError naming the line and the field
 */
function parseEntry(subject: string, row: unknown, strategy: Strategy): DisruptionEntry {
  const fail = (expected: string, received: unknown): DataError =>
    new DataError({
      subject,
      expected,
      received: JSON.stringify(received) ?? 'nothing',
      remedy: 'repair the row or make the manifest again',
    });
  const fields = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>;
  const { id, operation, fraction, seed, own, corruption, severity } = fields;
  const modality = MODALITIES.find((candidate) => candidate === fields['modality']);
  if (typeof id !== 'string') throw fail('a post id', id);
  if (modality === undefined) throw fail(`a modality of ${MODALITIES.join(', ')}`, fields['modality']);
  if (operation !== 'corrupt' && operation !== 'discard') throw fail('an operation of corrupt, discard', operation);
  const how = { own, corruption, severity };
  const isDrawn = operation === 'corrupt' && Object.values(how).every((each) => each === undefined);
  if (operation === 'discard') {
    const given = Object.fromEntries(Object.entries(how).filter(([, value]) => value !== undefined));
    if (Object.keys(given).length > 0) throw fail('nothing that corrupts, as the modality is discarded', given);
    if (fraction !== null || seed !== null) {
      throw fail('fraction and seed null, as nothing is corrupted', { fraction, seed });
    }
  } else if (own !== undefined) {
    if (typeof own !== 'string') throw fail('the id of a disruption of its own', own);
    if (corruption !== undefined || severity !== undefined) throw fail('no corruption beside a disruption of its own', { corruption, severity }); // prettier-ignore
  } else if (!isDrawn) {
    if (!isCorruptionName(corruption)) throw fail('the name of a corruption', corruption);
    if (corruptedModality(corruption) !== modality) throw fail(corruptedModality(corruption), modality);
    if (!SEVERITIES.some((known) => known === severity)) throw fail('a severity from 1 to 5', severity);
  }
  if (operation === 'corrupt') {
    const range = `${FRACTION_RANGE.low} to ${FRACTION_RANGE.high}`;
    if (isDrawn && !isFraction(fraction)) throw fail(`a fraction from ${range}`, fraction);
    if (!isDrawn && fraction !== null) throw fail('no fraction, as no share is drawn', fraction);
    if (!isSplitMixSeed(seed)) throw fail('a seed of 16 hexadecimal digits', seed);
  }
  const kept = { ...(own === undefined ? {} : { own }), ...(corruption === undefined ? {} : { corruption, severity }) };
  const entry = { id, modality, operation, fraction, seed, ...kept } as DisruptionEntry;
  if (!fitsStrategy(entry, strategy)) {
    throw fail(`a disruption of the strategy ${formatStrategy(strategy)}`, `${operation} ${modality}`);
  }
  return entry;
}
