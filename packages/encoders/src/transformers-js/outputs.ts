import { ConfigurationError, hostTensor, type HostTensor, type Modality, ShapeMismatchError } from '@drf/tensor';
import type { Pooling } from '../contract.js';

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

/** Of each place of the features the greatest value among the tokens: [batch, token, dim] → [batch, dim] */
function maximumOf(states: HostTensor, mask: Float32Array): HostTensor {
  const [batch, tokens, dim] = states.shape as [number, number, number];
  const result = new Float32Array(batch * dim).fill(-1e9);
  for (let token = 0; token < batch * tokens; token++) {
    if (mask[token] === 0) continue;
    const row = Math.floor(token / tokens);
    for (let i = 0; i < dim; i++) {
      result[row * dim + i] = Math.max(result[row * dim + i] as number, states.data[token * dim + i] as number);
    }
  }
  return hostTensor(result, [batch, dim]);
}

type WeightedPooling = 'cls' | 'lasttoken' | 'mean_sqrt_len' | 'weightedmean';

/** What each token of a row counts: mask [token] → [token] */
const WEIGHTS: Readonly<Record<WeightedPooling, (mask: readonly number[]) => readonly number[]>> = {
  cls: (mask) => mask.map((_, i) => (i === 0 ? 1 : 0)),
  lasttoken: (mask) => mask.map((_, i) => (i === mask.lastIndexOf(1) ? 1 : 0)),
  mean_sqrt_len: (mask) => mask.map((each) => each / Math.sqrt(Math.max(1, sum(mask)))),
  weightedmean: (mask) =>
    mask.map((each, i) => (each * (i + 1)) / Math.max(1, sum(mask.map((one, k) => one * (k + 1))))),
};

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** Weighted sums over the tokens: [batch, token, dim] → [batch, dim] */
function weightedOf(pooling: WeightedPooling, states: HostTensor, mask: Float32Array): HostTensor {
  const [batch, tokens, dim] = states.shape as [number, number, number];
  const result = new Float32Array(batch * dim);
  for (let row = 0; row < batch; row++) {
    const weights = WEIGHTS[pooling]([...mask.subarray(row * tokens, (row + 1) * tokens)]);
    weights.forEach((weight, token) => {
      if (weight === 0) return;
      const offset = (row * tokens + token) * dim;
      for (let i = 0; i < dim; i++) (result[row * dim + i] as number) += weight * (states.data[offset + i] as number);
    });
  }
  return hostTensor(result, [batch, dim]);
}

/** Features at length 1, as sentence-transformers' `Normalize` makes them: [batch, dim] */
export function toUnitLength(features: HostTensor): HostTensor {
  const [batch, dim] = features.shape as [number, number];
  const result = Float32Array.from(features.data);
  for (let row = 0; row < batch; row++) {
    const values = result.subarray(row * dim, (row + 1) * dim);
    const length = Math.max(Math.hypot(...values), 1e-12);
    values.forEach((value, i) => (values[i] = value / length));
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
  const { [0]: batch = 0, [1]: tokens = 0 } = states.shape;
  const places = mask ?? new Float32Array(batch * tokens).fill(1);
  const chosen = pooling ?? (modality === 'text' || isMap ? 'mean' : 'cls');
  if (chosen === 'mean') return meanOf(states, places);
  return chosen === 'max' ? maximumOf(states, places) : weightedOf(chosen as WeightedPooling, states, places);
}

function missingOutput(pooling: Pooling | undefined, outputs: LibraryOutputs): ConfigurationError {
  return new ConfigurationError({
    subject: `pooling ${pooling === undefined ? '(default)' : `"${pooling}"`}`,
    expected: `the output ${pooling === 'pooler' ? 'pooler_output' : 'last_hidden_state'} of the model`,
    received: `outputs ${Object.keys(outputs).join(', ')}`,
    remedy: 'choose another pooling, or a model that was exported for feature extraction',
  });
}
