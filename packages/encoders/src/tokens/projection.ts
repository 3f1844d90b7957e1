import { createRandom } from '@drf/tensor';

/**
 * A random projection: `dim` sums of all inputs with signs drawn once and for all, over √dim, so that squared lengths
 * and inner products keep their expectation (the Johnson-Lindenstrauss lemma).
 * Source: Achlioptas, "Database-friendly random projections" (PODS 2001), the dense variant.
 */
export class RandomProjection {
  private readonly signs: Float32Array;

  /** The signs depend on the two widths only. */
  constructor(
    private readonly inputs: number,
    readonly dim: number,
  ) {
    const random = createRandom(`token projection ${inputs} ${dim}`);
    const scale = 1 / Math.sqrt(dim);
    this.signs = new Float32Array(inputs * dim);
    for (let i = 0; i < this.signs.length; i += 32) {
      let bits = random.uint32();
      for (let j = i; j < Math.min(i + 32, this.signs.length); j++, bits >>>= 1)
        this.signs[j] = bits & 1 ? scale : -scale;
    }
  }

  /** Adds the projection of `input` [inputs] to `target` [dim]. Zeros, of which rectified maps are full, cost nothing. */
  addTo(target: Float32Array, input: Float32Array): void {
    const { signs, dim } = this;
    for (let i = 0; i < this.inputs; i++) {
      const value = input[i] as number;
      if (value === 0) continue;
      const offset = i * dim;
      for (let j = 0; j < dim; j++) target[j] = (target[j] as number) + value * (signs[offset + j] as number);
    }
  }
}
