import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import type { EncoderSizes } from '../workload.js';

export type TuningSizes = Omit<EncoderSizes, 'queue' | 'recompute'>;

/** A model of random weights in a new folder, as the hub has it. */
export async function writeModel(part: 'bert' | 'vit', sizes: TuningSizes): Promise<string> {
  const { dim, layers, heads, vocabulary, length, image, patch } = sizes;
  const folder = await mkdtemp(join(tmpdir(), 'drf-bench-tuning-'));
  const config = {
    hidden_size: dim,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: 4 * dim,
    initializer_range: 0.02,
  };
  if (part === 'vit') return writeTinyVit(folder, { pooler: false, config: { ...config, image_size: image, patch_size: patch } }); // prettier-ignore
  const text = { vocab_size: vocabulary, max_position_embeddings: Math.max(512, length) };
  return writeTinyBert(folder, { pooler: false, config: { ...config, ...text } });
}
