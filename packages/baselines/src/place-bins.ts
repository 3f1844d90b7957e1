import * as tf from '@tensorflow/tfjs';
import type { Sequence } from '@drf/layers';
import { named } from '@drf/tensor';

/**
 * Weights that average the places of a square map into a smaller square, bins as in adaptive average pooling. A class
 * token before such a map is no place and in no bin. For other counts, neighbors of the sequence.
 * @returns members [bins, count], 1 where a place belongs to a bin (who averages divides by what stands)
 */
export function placeBins(
  count: number,
  targetSide: number,
): { readonly bins: number; readonly members: Float32Array } {
  const side = Math.floor(Math.sqrt(count));
  const leading = count - side * side; // a class token, if it is one
  const isSquare = leading <= 1 && side >= targetSide;
  const [rows, columns] = isSquare ? [side, side] : [1, count];
  const before = isSquare ? leading : 0;
  const [rowBins, columnBins] = isSquare ? [targetSide, targetSide] : [1, Math.min(count, targetSide ** 2)];
  const members = new Float32Array(rowBins * columnBins * count);
  const covers = (bin: number, bins: number, size: number, place: number): boolean =>
    place >= Math.floor((bin * size) / bins) && place < Math.ceil(((bin + 1) * size) / bins);
  for (let bin = 0; bin < rowBins * columnBins; bin++) {
    for (let place = 0; place < rows * columns; place++) {
      const inRows = covers(Math.floor(bin / columnBins), rowBins, rows, Math.floor(place / columns));
      const inColumns = covers(bin % columnBins, columnBins, columns, place % columns);
      if (inRows && inColumns) members[bin * count + before + place] = 1;
    }
  }
  return { bins: rowBins * columnBins, members };
}

/** Means of a map's places over {@link placeBins}; a bin stands where one of its places does. [batch, bins, width] */
export function poolPlaces({ states, mask }: Sequence, targetSide: number): Sequence {
  const [posts, count] = states.shape as [number, number, number];
  const { bins, members } = placeBins(count, targetSide);
  const membership = tf.tensor2d(members, [bins, count]);
  const standing = tf.matMul(mask, membership, false, true); // [batch, bins]
  const sums = tf.matMul(tf.tile(tf.expandDims(membership, 0), [posts, 1, 1]), states); // [batch, bins, width]
  const means = tf.div(sums, tf.expandDims(tf.maximum(standing, 1), 2));
  const present = tf.cast(tf.greater(standing, 0), 'float32');
  return { states: named(means, ['batch', 'token', 'dim']), mask: named(present, ['batch', 'token']) };
}
