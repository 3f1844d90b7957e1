import { DataError, MODALITIES } from '@drf/tensor';
import { FRACTION_RANGE } from './fraction.js';
import type { DisruptionEntry } from './plan.js';
import { isSplitMixSeed } from './split-mix.js';
import { formatStrategy, type Strategy } from './strategy.js';

function isFraction(value: unknown): value is number {
  return typeof value === 'number' && value >= FRACTION_RANGE.low && value <= FRACTION_RANGE.high;
}

function fitsStrategy(entry: DisruptionEntry, strategy: Strategy): boolean {
  if (strategy.kind === 'none') return false;
  if (strategy.kind === 'modality-fixed' && strategy.modality !== entry.modality) return false;
  if (strategy.setting === 'C+D') return true;
  return (strategy.setting === 'C') === (entry.operation === 'corrupt');
}

/**
 * Checks one row of a manifest.
 * @param subject file and line, for the message
 * @throws DataError naming the line and the field
 */
export function parseEntry(subject: string, row: unknown, strategy: Strategy): DisruptionEntry {
  const fail = (expected: string, received: unknown): DataError =>
    new DataError({
      subject,
      expected,
      received: JSON.stringify(received) ?? 'nothing',
      remedy: 'repair the row or make the manifest again',
    });
  const fields = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>;
  const { id, operation, fraction, seed } = fields;
  const modality = MODALITIES.find((candidate) => candidate === fields['modality']);
  if (typeof id !== 'string') throw fail('a post id', id);
  if (modality === undefined) throw fail(`a modality of ${MODALITIES.join(', ')}`, fields['modality']);
  if (operation !== 'corrupt' && operation !== 'discard') throw fail('an operation of corrupt, discard', operation);
  if (operation === 'corrupt') {
    const range = `${FRACTION_RANGE.low} to ${FRACTION_RANGE.high}`;
    if (!isFraction(fraction)) throw fail(`a fraction from ${range}`, fraction);
    if (!isSplitMixSeed(seed)) throw fail('a seed of 16 hexadecimal digits', seed);
  } else if (fraction !== null || seed !== null) {
    throw fail('fraction and seed null, as nothing is corrupted', { fraction, seed });
  }
  const entry = { id, modality, operation, fraction, seed } as DisruptionEntry;
  if (!fitsStrategy(entry, strategy)) {
    throw fail(`a disruption of the strategy ${formatStrategy(strategy)}`, `${operation} ${modality}`);
  }
  return entry;
}
