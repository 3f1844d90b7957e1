import { dropoutSeeds } from '@drf/encoders';
import { MODALITIES, type Host, type HostTree, type Random } from '@drf/tensor';
import type { EncodedBatchInputs } from '@drf/model';
import { areFeatures, type PostSet } from './feature-set.js';

/**
 * A batch for training: what encoders in the step read gets the seeds by which they drop values. They depend on the
 * stream, the modality and the post alone, so a batch in parts drops what the whole one does, and a run that goes on what
 * an undisturbed one does.
 * @param indices places of the batch's posts in the set
 * @param random of the epoch
 */
export function withDropoutSeeds(
  batch: Host<EncodedBatchInputs>,
  set: Pick<PostSet, 'image' | 'text'>,
  indices: readonly number[],
  random: Random,
): Host<EncodedBatchInputs> {
  const encoded = MODALITIES.filter((modality) => !areFeatures(set[modality]));
  const inputs = encoded.map((modality) => {
    const dropout = dropoutSeeds(indices.map((index) => random.fork(modality).fork(index)));
    return [modality, { ...(batch[modality] as HostTree), dropout }] as const;
  });
  return { ...batch, ...Object.fromEntries(inputs) };
}
