import { join } from 'node:path';
import { writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { createRandom } from '@drf/tensor';
import { onnxFile, type OnnxGraph, type OnnxNode, type OnnxValue } from './onnx-file.js';
import { imagePreprocessor, TOKENIZER_CONFIG, wordPieceTokenizer } from './tiny-preprocessing.js';

export const TEXT_DIM = 5;
export const IMAGE_DIM = 6;
const WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'good', 'bad', 'day', 'movie', 'the', 'a'];

function weights(name: string, count: number): number[] {
  const random = createRandom(name);
  return Array.from({ length: count }, () => random.normal());
}

function floatWeight(name: string, ...shape: number[]) {
  const count = shape.reduce((product, size) => product * size, 1);
  return { type: 'float' as const, shape, data: weights(name, count) };
}

/** Token embeddings, as a function of the token alone: row t of `embedding`. */
export function tokenEmbedding(token: number): number[] {
  return weights('embedding', WORDS.length * TEXT_DIM).slice(token * TEXT_DIM, (token + 1) * TEXT_DIM);
}

/** input_ids → rows of an embedding table, with `pooler_output` or `text_embeds` as the first of them. */
function textGraph(outputName?: string): OnnxGraph {
  const pooled: OnnxNode[] =
    outputName === undefined
      ? []
      : [{ type: 'Gather', inputs: ['last_hidden_state', 'first'], output: outputName, attributes: { axis: 1 } }];
  const ids = (name: string): OnnxValue => ({ name, type: 'int64', shape: ['batch', 'sequence'] });
  return {
    inputs: [ids('input_ids'), ids('attention_mask')],
    outputs: [
      { name: 'last_hidden_state', type: 'float', shape: ['batch', 'sequence', TEXT_DIM] },
      ...(outputName === undefined ? [] : [{ name: outputName, type: 'float' as const, shape: ['batch', TEXT_DIM] }]),
    ],
    weights: {
      embedding: floatWeight('embedding', WORDS.length, TEXT_DIM),
      first: { type: 'int64', shape: [], data: [0] },
    },
    nodes: [{ type: 'Gather', inputs: ['embedding', 'input_ids'], output: 'last_hidden_state' }, ...pooled],
  };
}

/** pixel_values → a convolution over 4 × 4 patches, as tokens ([batch, 4, 6]), as a map, or averaged. */
function imageGraph(kind: 'tokens' | 'map' | 'image_embeds'): OnnxGraph {
  const nodes: OnnxNode[] = [
    {
      type: 'Conv',
      inputs: ['pixel_values', 'kernel'],
      output: kind === 'map' ? 'last_hidden_state' : 'map',
      attributes: { kernel_shape: [4, 4], strides: [4, 4] },
    },
  ];
  if (kind === 'tokens') {
    nodes.push({ type: 'Reshape', inputs: ['map', 'shape'], output: 'flat' });
    nodes.push({ type: 'Transpose', inputs: ['flat'], output: 'last_hidden_state', attributes: { perm: [0, 2, 1] } });
  }
  if (kind === 'image_embeds') {
    const attributes = { axes: [2, 3], keepdims: 0 };
    nodes.push({ type: 'ReduceMean', inputs: ['map'], output: 'image_embeds', attributes });
  }
  const shapes = {
    tokens: ['batch', 4, IMAGE_DIM],
    map: ['batch', IMAGE_DIM, 2, 2],
    image_embeds: ['batch', IMAGE_DIM],
  } as const;
  const name = kind === 'image_embeds' ? kind : 'last_hidden_state';
  return {
    inputs: [{ name: 'pixel_values', type: 'float', shape: ['batch', 3, 8, 8] }],
    outputs: [{ name, type: 'float', shape: shapes[kind] }],
    weights: {
      kernel: floatWeight('kernel', IMAGE_DIM, 3, 4, 4),
      ...(kind === 'tokens' ? { shape: { type: 'int64', shape: [3], data: [0, IMAGE_DIM, -1] } } : {}),
    },
    nodes,
  };
}

/** Writes a folder in the layout of transformers.js: a text model of ten words and five dimensions. */
export async function writeTextModel(
  folder: string,
  options: { readonly modelType?: string; readonly output?: string } = {},
): Promise<string> {
  const { modelType = 'bert', output } = options;
  const file = modelType === 'clip' ? 'text_model' : 'model';
  await writeJsonAtomic(join(folder, 'config.json'), { model_type: modelType, max_position_embeddings: 64 });
  await writeJsonAtomic(join(folder, 'tokenizer.json'), wordPieceTokenizer(WORDS, 4));
  await writeJsonAtomic(join(folder, 'tokenizer_config.json'), { ...TOKENIZER_CONFIG, model_max_length: 8 });
  await writeFileAtomic(join(folder, `onnx/${file}.onnx`), onnxFile(textGraph(output)));
  return folder;
}

/** Writes a folder in the layout of transformers.js: a vision model for images of 8 × 8 pixels. */
export async function writeImageModel(
  folder: string,
  options: { readonly modelType?: string; readonly kind?: 'tokens' | 'map' | 'image_embeds' } = {},
): Promise<string> {
  const { modelType = 'vit', kind = 'tokens' } = options;
  const file = modelType === 'clip' ? 'vision_model' : 'model';
  await writeJsonAtomic(join(folder, 'config.json'), { model_type: modelType });
  await writeJsonAtomic(join(folder, 'preprocessor_config.json'), imagePreprocessor(8));
  await writeFileAtomic(join(folder, `onnx/${file}.onnx`), onnxFile(imageGraph(kind)));
  return folder;
}
