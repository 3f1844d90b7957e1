import { join } from 'node:path';
import { writeJsonAtomic, writeSafetensors } from '@drf/files';
import { createRandom } from '@drf/tensor';
import { bertTensors, initializeBert } from '../models/bert.js';
import { parseBertConfig } from '../models/families.js';
import { initializeVit, vitTensors } from '../models/vit.js';
import { parseVitConfig } from '../models/families.js';
import { imagePreprocessor, TOKENIZER_CONFIG, wordPieceTokenizer } from './tiny-preprocessing.js';

export const TINY_WORDS = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  'good',
  'bad',
  'day',
  'movie',
  'the',
  'a',
  '##s',
  '!',
];

const TINY_BERT_CONFIG = {
  architectures: ['BertModel'],
  model_type: 'bert',
  vocab_size: TINY_WORDS.length,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 12,
  max_position_embeddings: 24,
  type_vocab_size: 2,
  pad_token_id: 0,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  initializer_range: 0.3,
};

const TINY_VIT_CONFIG = {
  architectures: ['ViTModel'],
  model_type: 'vit',
  image_size: 16,
  patch_size: 8,
  num_channels: 3,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 12,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  initializer_range: 0.3,
};

/**
 * Writes a folder as the hub has it: a BERT of two layers and eight values, with random weights.
 * @param files further ones, or others
 */
export async function writeTinyBert(
  folder: string,
  {
    seed = 'bert',
    pooler = true,
    config = {},
    files = {},
  }: { seed?: string; pooler?: boolean; config?: object; files?: Readonly<Record<string, object>> } = {},
): Promise<string> {
  const json = { ...TINY_BERT_CONFIG, ...config };
  const parsed = parseBertConfig(json, 'tiny config');
  const parameters = initializeBert(createRandom(seed), parsed, { pooler });
  await writeJsonAtomic(join(folder, 'config.json'), json);
  await writeJsonAtomic(join(folder, 'tokenizer.json'), wordPieceTokenizer(TINY_WORDS, 5));
  await writeJsonAtomic(join(folder, 'tokenizer_config.json'), {
    ...TOKENIZER_CONFIG,
    do_lower_case: true,
    model_max_length: json.max_position_embeddings,
    mask_token: '[MASK]',
  });
  for (const [name, content] of Object.entries(files)) await writeJsonAtomic(join(folder, name), content);
  await writeSafetensors(join(folder, 'model.safetensors'), {
    tensors: bertTensors(parameters, parsed),
    metadata: { format: 'pt' },
  });
  return folder;
}

/** Writes a folder as the hub has it: a ViT of two layers and eight values for images of 16 × 16 pixels. */
export async function writeTinyVit(
  folder: string,
  {
    seed = 'vit',
    pooler = true,
    preprocessor = {},
    config = {},
  }: { seed?: string; pooler?: boolean; preprocessor?: object; config?: object } = {},
): Promise<string> {
  const json = { ...TINY_VIT_CONFIG, ...config };
  const parsed = parseVitConfig(json, 'tiny config');
  const parameters = initializeVit(createRandom(seed), parsed, { pooler });
  await writeJsonAtomic(join(folder, 'config.json'), json);
  await writeJsonAtomic(join(folder, 'preprocessor_config.json'), {
    ...imagePreprocessor(json.image_size),
    ...preprocessor,
  });
  await writeSafetensors(join(folder, 'model.safetensors'), {
    tensors: vitTensors(parameters, parsed),
    metadata: { format: 'pt' },
  });
  return folder;
}
