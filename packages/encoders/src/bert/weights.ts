import { linearWeights, normWeights, tableWeight, type Weight } from '../weights/weight.js';
import type { BertConfig } from './config.js';

/** Parts of a text encoder that not every checkpoint has. */
export interface BertParts {
  readonly pooler?: boolean;
}

/** Names of a layer's parts in files. */
interface LayerNames {
  readonly layer: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly attentionNorm: string;
  readonly up: string;
  readonly down: string;
  readonly mlpNorm: string;
}

const BERT_NAMES: LayerNames = {
  layer: 'encoder.layer',
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  output: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  mlpNorm: 'output.LayerNorm',
};

const DISTILBERT_NAMES: LayerNames = {
  layer: 'transformer.layer',
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  output: 'attention.out_lin',
  attentionNorm: 'sa_layer_norm',
  up: 'ffn.lin1',
  down: 'ffn.lin2',
  mlpNorm: 'output_layer_norm',
};

function embeddings({ hiddenSize, vocabularySize, positions, tokenTypes }: BertConfig): Weight[] {
  const table = (name: string, fileName: string, rows: number): Weight =>
    tableWeight(`embeddings.${name}`, `embeddings.${fileName}_embeddings.weight`, [rows, hiddenSize]);
  return [
    table('word', 'word', vocabularySize),
    table('position', 'position', positions),
    ...(tokenTypes > 0 ? [table('tokenType', 'token_type', tokenTypes)] : []),
    ...normWeights('embeddings.norm', 'embeddings.LayerNorm', hiddenSize),
  ];
}

function layer({ hiddenSize, intermediateSize }: BertConfig, names: LayerNames, index: number): Weight[] {
  const [name, file] = [`layers.${index}`, `${names.layer}.${index}`];
  const attention = (part: 'query' | 'key' | 'value' | 'output'): Weight[] =>
    linearWeights(`${name}.attention.${part}`, `${file}.${names[part]}`, hiddenSize, hiddenSize);
  return [
    ...(['query', 'key', 'value', 'output'] as const).flatMap(attention),
    ...normWeights(`${name}.attentionNorm`, `${file}.${names.attentionNorm}`, hiddenSize),
    ...linearWeights(`${name}.mlp.up`, `${file}.${names.up}`, hiddenSize, intermediateSize),
    ...linearWeights(`${name}.mlp.down`, `${file}.${names.down}`, intermediateSize, hiddenSize),
    ...normWeights(`${name}.mlpNorm`, `${file}.${names.mlpNorm}`, hiddenSize),
  ];
}

/** Every parameter of a text encoder, with its name in transformers' BertModel, RobertaModel or DistilBertModel. */
export function bertWeights(config: BertConfig, { pooler = false }: BertParts = {}): Weight[] {
  const names = config.family === 'distilbert' ? DISTILBERT_NAMES : BERT_NAMES;
  return [
    ...embeddings(config),
    ...Array.from({ length: config.layers }, (_, index) => layer(config, names, index)).flat(),
    ...(pooler ? linearWeights('pooler', 'pooler.dense', config.hiddenSize, config.hiddenSize) : []),
  ];
}
