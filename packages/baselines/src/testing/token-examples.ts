// Random posts with tokens, for tests of methods that read them.
import { byModality, createRandom, hostTensor, type ByModality, type Host, type HostTensor, type Random } from '@drf/tensor'; // prettier-ignore
import type { MethodShapes, ModalityInputs, TokenInputs } from '@drf/model';

export const EXAMPLE_SHAPES: MethodShapes = {
  imageDim: 6,
  textDim: 5,
  classes: 3,
  tokens: { image: { count: 9, dim: 4 }, text: { count: 5, dim: 3 } },
};

/** Word pieces of the examples: 10 … 17. */
const EXAMPLE_PIECES = 8;

export interface TokenExample {
  readonly batch: ByModality<Host<ModalityInputs> & { readonly tokens: Host<TokenInputs> }>;
  /** int32 [batch] */
  readonly labels: HostTensor;
}

function normals(random: Random, ...shape: number[]): HostTensor {
  return hostTensor(
    Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => random.normal()),
    shape,
  );
}

/** @param missing whether some posts lack a modality */
export function tokenExample(options: { posts?: number; seed?: number; missing?: boolean } = {}): TokenExample {
  const { posts = 6, seed = 1, missing = true } = options;
  const random = createRandom(seed);
  const available = (remainder: number): HostTensor =>
    hostTensor(
      Array.from({ length: posts }, (_, post) => (missing && post % 4 === remainder ? 0 : 1)),
      [posts],
    );
  const tokens = (name: 'image' | 'text'): Host<TokenInputs> => {
    const { count, dim } = (EXAMPLE_SHAPES.tokens as NonNullable<MethodShapes['tokens']>)[name];
    const stream = random.fork(`${name} tokens`);
    const mask = Array.from({ length: posts }, () => {
      const length = name === 'image' ? count : 1 + stream.integer(count);
      return Array.from({ length: count }, (_, i) => (i < length ? 1 : 0));
    });
    const pieces = Int32Array.from({ length: posts * count }, () => 10 + stream.integer(EXAMPLE_PIECES));
    return {
      tokens: normals(stream, posts, count, dim),
      mask: hostTensor(mask.flat(), [posts, count]),
      ...(name === 'text' ? { pieces: hostTensor(pieces, [posts, count]) } : {}),
    };
  };
  return {
    batch: {
      image: {
        features: normals(random.fork('image'), posts, EXAMPLE_SHAPES.imageDim),
        available: available(1),
        tokens: tokens('image'),
      },
      text: {
        features: normals(random.fork('text'), posts, EXAMPLE_SHAPES.textDim),
        available: available(2),
        tokens: tokens('text'),
      },
    },
    labels: hostTensor(
      Int32Array.from({ length: posts }, (_, post) => post % EXAMPLE_SHAPES.classes),
      [posts],
    ),
  };
}

/** The batch with every number that stands for nothing replaced: rows of missing posts, and tokens that do not stand. */
export function fillAbsent({ batch, labels }: TokenExample, value: number): TokenExample {
  const filled = (host: HostTensor, isAbsent: (row: number) => boolean, width: number): HostTensor => {
    const data = Float32Array.from(host.data);
    for (let row = 0; row < data.length / width; row++) {
      if (isAbsent(row)) data.fill(value, row * width, (row + 1) * width);
    }
    return hostTensor(data, host.shape);
  };
  const tokensOf = (inputs: Host<TokenInputs>, available: HostTensor): Host<TokenInputs> => {
    const [, count, dim] = inputs.tokens.shape as [number, number, number];
    const isMissing = (row: number): boolean => available.data[Math.floor(row / count)] === 0;
    return {
      ...inputs,
      tokens: filled(inputs.tokens, (row) => isMissing(row) || inputs.mask.data[row] === 0, dim),
      mask: filled(inputs.mask, isMissing, 1),
    };
  };
  return {
    labels,
    batch: byModality((modality) => {
      const { features, available, tokens } = batch[modality];
      return {
        features: filled(features, (row) => available.data[row] === 0, features.shape[1] as number),
        available,
        tokens: tokensOf(tokens, available),
      };
    }),
  };
}
