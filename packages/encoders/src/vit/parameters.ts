import { flattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import { parametersOf, tensorsOf } from '../weights/parameters.js';
import { hasPooler, type FileNames } from '../weights/resolve.js';
import type { VitConfig } from './config.js';
import { vitWeights, type VitParts } from './weights.js';

/** Names in files of transformers' models around ViTModel and DeiTModel. */
export function vitFileNames({ family }: VitConfig): FileNames {
  return {
    prefix: family === 'deit' ? 'deit.' : 'vit.',
    // classifiers, DeiT's two of them, masked image modeling's decoder and token, and a pooler that nobody asked for
    ignored: /^(classifier|cls_classifier|distillation_classifier|decoder\.0|pooler\.dense)\.|^embeddings\.mask_token$/,
  };
}

/**
 * Parameters of {@link applyVit} out of the tensors of a Hugging Face checkpoint, with or without `vit.` or `deit.`
 * before their names. The pooler comes along where the checkpoint has one, unless `parts` says otherwise.
 * @param subject the file, as errors name it
 * @throws CheckpointError naming tensors that are missing, of another shape, or unknown
 */
export function vitParameters(
  tensors: ReadonlyMap<string, HostTensor>,
  config: VitConfig,
  subject: string,
  parts: VitParts = {},
): HostTree {
  const names = vitFileNames(config);
  const { pooler = hasPooler(tensors.keys(), names) } = parts;
  return parametersOf(tensors, vitWeights(config, { pooler }), names, subject);
}

/** Parameters under their names in transformers' ViTModel or DeiTModel, for export. Low-rank updates must be merged. */
export function vitTensors(parameters: HostTree, config: VitConfig): ReadonlyMap<string, HostTensor> {
  const pooler = flattenTree(parameters).has('pooler.kernel');
  return tensorsOf(parameters, vitWeights(config, { pooler }), 'vitTensors');
}
