import { linearWeights, normWeights, tableWeight, type Weight } from '../weights/weight.js';
import { vitTokens, type VitConfig } from './config.js';

/** Parts of a vision transformer that not every checkpoint has. */
export interface VitParts {
  readonly pooler?: boolean;
}

function patchKernel(config: VitConfig): Weight {
  const { patchHeight, patchWidth, channels, hiddenSize } = config;
  return {
    name: 'embeddings.patch.kernel',
    fileName: 'embeddings.patch_embeddings.projection.weight',
    shape: [patchHeight * patchWidth * channels, hiddenSize],
    fileShape: [hiddenSize, channels, patchHeight, patchWidth],
    layout: 'patches',
    initial: 'normal',
  };
}

function embeddings(config: VitConfig): Weight[] {
  const { hiddenSize, family } = config;
  const token = (name: string, fileName: string): Weight =>
    tableWeight(name, fileName, [1, hiddenSize], [1, 1, hiddenSize]);
  const [, patchBias] = linearWeights('embeddings.patch', 'embeddings.patch_embeddings.projection', 1, hiddenSize);
  const positions = [vitTokens(config), hiddenSize];
  return [
    patchKernel(config),
    patchBias as Weight,
    token('embeddings.class', 'embeddings.cls_token'),
    ...(family === 'deit' ? [token('embeddings.distillation', 'embeddings.distillation_token')] : []),
    tableWeight('embeddings.position', 'embeddings.position_embeddings', positions, [1, ...positions]),
  ];
}

function layer(config: VitConfig, index: number): Weight[] {
  const { hiddenSize, intermediateSize, queryKeyValueBias } = config;
  const [name, file] = [`layers.${index}`, `encoder.layer.${index}`];
  const attention = (part: string): Weight[] =>
    linearWeights(
      `${name}.attention.${part}`,
      `${file}.attention.attention.${part}`,
      hiddenSize,
      hiddenSize,
      queryKeyValueBias,
    );
  return [
    ...normWeights(`${name}.attentionNorm`, `${file}.layernorm_before`, hiddenSize),
    ...['query', 'key', 'value'].flatMap(attention),
    ...linearWeights(`${name}.attention.output`, `${file}.attention.output.dense`, hiddenSize, hiddenSize),
    ...normWeights(`${name}.mlpNorm`, `${file}.layernorm_after`, hiddenSize),
    ...linearWeights(`${name}.mlp.up`, `${file}.intermediate.dense`, hiddenSize, intermediateSize),
    ...linearWeights(`${name}.mlp.down`, `${file}.output.dense`, intermediateSize, hiddenSize),
  ];
}

/** Every parameter of a vision transformer, with its name in transformers' ViTModel or DeiTModel. */
export function vitWeights(config: VitConfig, { pooler = false }: VitParts = {}): Weight[] {
  return [
    ...embeddings(config),
    ...Array.from({ length: config.layers }, (_, index) => layer(config, index)).flat(),
    ...normWeights('norm', 'layernorm', config.hiddenSize),
    ...(pooler ? linearWeights('pooler', 'pooler.dense', config.hiddenSize, config.poolerSize) : []),
  ];
}
