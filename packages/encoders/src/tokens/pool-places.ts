/** A square map's places, without a class token before them: it is no place. Other counts stay as they are. */
export function withoutClassToken<Token>(tokens: readonly Token[]): readonly Token[] {
  return Number.isInteger(Math.sqrt(tokens.length - 1)) && tokens.length > 2 ? tokens.slice(1) : tokens;
}

/**
 * Averages a square map's places into a smaller square (adaptive average pooling): bin i of n covers the places from
 * ⌊i·side/n⌋ to ⌈(i+1)·side/n⌉.
 * @param tokens [side², dim], row by row
 * @returns [target², dim]; none when `tokens` are no square map
 */
export function poolPlaces(tokens: readonly Float32Array[], target: number): Float32Array[] | undefined {
  const side = Math.sqrt(tokens.length);
  if (!Number.isInteger(side) || side < target) return undefined;
  const bins = Array.from({ length: target }, (_, i) => ({
    start: Math.floor((i * side) / target),
    end: Math.ceil(((i + 1) * side) / target),
  }));
  return bins.flatMap((rows) =>
    bins.map((columns) => {
      const places: Float32Array[] = [];
      for (let row = rows.start; row < rows.end; row++) {
        for (let column = columns.start; column < columns.end; column++) {
          places.push(tokens[row * side + column] as Float32Array);
        }
      }
      return mean(places);
    }),
  );
}

function mean(rows: readonly Float32Array[]): Float32Array {
  const [first] = rows as [Float32Array];
  return first.map((_, i) => rows.reduce((sum, row) => sum + (row[i] as number), 0) / rows.length);
}
