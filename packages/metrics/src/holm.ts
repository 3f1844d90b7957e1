import { DataError } from '@drf/tensor';

/**
 * p-values corrected for asking several questions at once: the chance of even one false alarm among all of them stays
 * below the level at which a corrected value is called significant. Places stay as they are.
 * Source: Holm, "A simple sequentially rejective multiple test procedure" (Scandinavian Journal of Statistics 1979).
 * @throws DataError naming a value that leaves 0 … 1 (NaN, too)
 */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const invalid = pValues.findIndex((value) => !(value >= 0 && value <= 1));
  if (invalid >= 0) {
    throw new DataError({
      subject: 'holmAdjusted',
      expected: 'p-values from 0 to 1',
      received: `${pValues[invalid]} at place ${invalid}`,
      remedy: 'leave out questions that have no p-value',
    });
  }
  const order = [...pValues.keys()].sort((first, second) => (pValues[first] as number) - (pValues[second] as number));
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  order.forEach((place, rank) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * (pValues[place] as number)));
    adjusted[place] = largest;
  });
  return adjusted;
}
