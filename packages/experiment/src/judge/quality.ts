import type { EncodedMethod } from '@drf/model';
import type { HostTensor, HostTree, Modality, TensorTree } from '@drf/tensor';

/** Log relative density of each post's features, [posts] a modality: DRF's estimate of quality (Eq. 9). */
export type Quality = Readonly<Record<Modality, Float32Array>>;

/** The method with only the quality among its details, so that features and weights are not kept for every post. */
export function withQualityOnly(method: EncodedMethod): EncodedMethod {
  return {
    ...method,
    predict: (parameters, batch, memory) => {
      const prediction = method.predict(parameters, batch, memory);
      const densities = prediction.details.logDensity as TensorTree | undefined;
      const { image, text } = densities ?? {};
      const details: TensorTree = image === undefined || text === undefined ? {} : { image, text };
      return { ...prediction, details };
    },
  };
}

/**
 * Qualities of all posts from the details of each batch; null where the method gives none (an empty tree does not come
 * back from an engine).
 */
export function qualityOf(details: readonly (HostTree | undefined)[]): Quality | null {
  const joined = (modality: Modality): Float32Array | null => {
    const parts = details.map((batch) => (batch?.[modality] as HostTensor | undefined)?.data);
    if (parts.length === 0 || parts.some((part) => part === undefined)) return null;
    return Float32Array.from(parts.flatMap((part) => [...(part as Float32Array)]));
  };
  const [image, text] = [joined('image'), joined('text')];
  return image === null || text === null ? null : { image, text };
}
