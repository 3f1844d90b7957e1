import { dropoutSeeds } from '@drf/encoders';
import { byModality, type Host, type Random } from '@drf/tensor';
import type { EncodedBatchInputs } from '@drf/model';

/**
 * A batch for training: what encoders in the step read gets the seeds by which they drop values. They depend on the
 * stream, the modality and the post alone, so a batch in parts drops what the whole one does, and a run that goes on what
 * an undisturbed one does.
 * @param indices places of the batch's posts in the set
 * @param random of the epoch
 */
export function withDropoutSeeds(
  batch: Host<EncodedBatchInputs>,
  indices: readonly number[],
  random: Random,
): Host<EncodedBatchInputs> {
  return byModality((modality) => {
    const inputs = batch[modality];
    if (!('contents' in inputs)) return inputs;
    const dropout = dropoutSeeds(indices.map((index) => random.fork(modality).fork(index)));
    return { ...inputs, contents: { ...inputs.contents, dropout } };
  });
}
