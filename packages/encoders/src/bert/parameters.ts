import { flattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import { parametersOf, tensorsOf } from '../weights/parameters.js';
import { hasPooler, type FileNames } from '../weights/resolve.js';
import type { BertConfig } from './config.js';
import { bertWeights, type BertParts } from './weights.js';

const BUFFERS = 'embeddings\\.(position_ids|token_type_ids)$';

/** Names in files of transformers' models around BertModel, RobertaModel and DistilBertModel. */
export function bertFileNames({ family }: BertConfig): FileNames {
  const heads = {
    bert: '(cls|classifier|qa_outputs|pooler\\.dense)\\.',
    roberta: '(lm_head|classifier|qa_outputs|pooler\\.dense)\\.',
    distilbert: '(vocab_transform|vocab_layer_norm|vocab_projector|pre_classifier|classifier|qa_outputs)\\.',
  }[family];
  return { prefix: `${family}.`, ignored: new RegExp(`^${heads}|^${BUFFERS}`) };
}

/**
 * Parameters of {@link applyBert} out of the tensors of a Hugging Face checkpoint, with or without `bert.`, `roberta.`
 * or `distilbert.` before their names, and with old names of norms (`gamma`, `beta`). The pooler comes along where the
 * checkpoint has one, unless `parts` says otherwise.
 * @param subject the file, as errors name it
 * @throws CheckpointError naming tensors that are missing, of another shape, or unknown
 */
export function bertParameters(
  tensors: ReadonlyMap<string, HostTensor>,
  config: BertConfig,
  subject: string,
  parts: BertParts = {},
): HostTree {
  const names = bertFileNames(config);
  const { pooler = hasPooler(tensors.keys(), names) } = parts;
  return parametersOf(tensors, bertWeights(config, { pooler }), names, subject);
}

/** Parameters under their names in transformers' models, for export. Low-rank updates must be merged. */
export function bertTensors(parameters: HostTree, config: BertConfig): ReadonlyMap<string, HostTensor> {
  const pooler = flattenTree(parameters).has('pooler.kernel');
  return tensorsOf(parameters, bertWeights(config, { pooler }), 'bertTensors');
}
