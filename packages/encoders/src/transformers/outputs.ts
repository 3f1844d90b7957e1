import { ConfigurationError, hostTensor, ShapeMismatchError, type HostTensor, type Modality } from '@drf/tensor';
import type { Pooling } from './options.js';

/** A tensor of the library: numbers with their dimensions. */
export interface LibraryTensor {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

export type LibraryOutputs = Readonly<Record<string, LibraryTensor | undefined>>;

function floats(tensor: LibraryTensor): HostTensor {
  return hostTensor(Float32Array.from(tensor.data, Number), tensor.dims);
}

/** The last hidden states as [batch, token, dim]; the map of a convolutional network, place by place. */
export function tokenStates(outputs: LibraryOutputs): HostTensor | undefined {
  const states = outputs['last_hidden_state'] ?? outputs['token_embeddings'];
  if (states === undefined) return undefined;
  const host = floats(states);
  if (host.shape.length === 3) return host;
  if (host.shape.length === 4) return channelsLast(host);
  throw new ShapeMismatchError({
    subject: 'last_hidden_state',
    expected: '[batch, token, dim] or [batch, dim, height, width]',
    received: `[${host.shape.join(', ')}]`,
  });
}

/** [batch, dim, height, width] → [batch, height·width, dim] */
function channelsLast({ data, shape }: HostTensor): HostTensor {
  const [batch, dim, height, width] = shape as [number, number, number, number];
  const places = height * width;
  const result = new Float32Array(data.length);
  for (let row = 0; row < batch; row++) {
    for (let channel = 0; channel < dim; channel++) {
      for (let place = 0; place < places; place++) {
        result[(row * places + place) * dim + channel] = data[(row * dim + channel) * places + place] as number;
      }
    }
  }
  return hostTensor(result, [batch, places, dim]);
}

/** Means over the tokens where the mask is 1: [batch, token, dim] → [batch, dim]. Without any, zeros. */
function meanOf(states: HostTensor, mask: Float32Array): HostTensor {
  const [batch, tokens, dim] = states.shape as [number, number, number];
  const result = new Float32Array(batch * dim);
  for (let row = 0; row < batch; row++) {
    const weights = mask.subarray(row * tokens, (row + 1) * tokens);
    const count = Math.max(
      1,
      weights.reduce((sum, weight) => sum + weight, 0),
    );
    for (let token = 0; token < tokens; token++) {
      if (weights[token] === 0) continue;
      const offset = (row * tokens + token) * dim;
      for (let i = 0; i < dim; i++) (result[row * dim + i] as number) += (states.data[offset + i] as number) / count;
    }
  }
  return hostTensor(result, [batch, dim]);
}

function firstOf(states: HostTensor): HostTensor {
  const [batch, tokens, dim] = states.shape as [number, number, number];
  const result = new Float32Array(batch * dim);
  for (let row = 0; row < batch; row++) {
    result.set((states.data as Float32Array).subarray(row * tokens * dim, (row * tokens + 1) * dim), row * dim);
  }
  return hostTensor(result, [batch, dim]);
}

/**
 * One feature a row, float32 [batch, dim].
 * @param mask [batch, token], 1 where a token stands; all ones when left out
 * @throws ConfigurationError when the model does not give the output that the pooling needs
 */
export function poolOutputs(
  modality: Modality,
  pooling: Pooling | undefined,
  outputs: LibraryOutputs,
  mask?: Float32Array,
): HostTensor {
  const projected = modality === 'image' ? outputs['image_embeds'] : outputs['text_embeds'];
  if (pooling === undefined && projected !== undefined) return floats(projected);
  const pooled = outputs['pooler_output'];
  if (pooling === 'pooler' && pooled !== undefined) return floats(pooled);
  const states = pooling === 'pooler' ? undefined : tokenStates(outputs);
  if (states === undefined) throw missingOutput(pooling, outputs);
  const isMap = outputs['last_hidden_state']?.dims.length === 4; // has no first token that stands for the whole
  const mean = pooling === 'mean' || (pooling === undefined && (modality === 'text' || isMap));
  return mean ? meanOf(states, mask ?? new Float32Array(states.data.length).fill(1)) : firstOf(states);
}

function missingOutput(pooling: Pooling | undefined, outputs: LibraryOutputs): ConfigurationError {
  return new ConfigurationError({
    subject: `pooling ${pooling === undefined ? '(default)' : `"${pooling}"`}`,
    expected: `the output ${pooling === 'pooler' ? 'pooler_output' : 'last_hidden_state'} of the model`,
    received: `outputs ${Object.keys(outputs).join(', ')}`,
    remedy: 'choose another pooling, or a model that was exported for feature extraction',
  });
}
