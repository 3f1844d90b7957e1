import { createEngine } from '@drf/engine';
import type { ImageEncoder, TextEncoder } from '@drf/encoders';
import type { FrozenSession } from '@drf/experiment';
import { hostTensor, type RgbImage } from '@drf/tensor';

const common = { trainable: false, preprocess: async () => ({}), dispose: async () => undefined } as const;

/** Mean color, from −1 to 1. */
function colorOf({ data }: RgbImage): number[] {
  return [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let i = channel; i < data.length; i += 3) sum += data[i] as number;
    return (6 * sum) / data.length / 255 - 1;
  });
}

/** Which of the first letters of the alphabet a text has, and its length. */
function lettersOf(text: string): number[] {
  return [...['a', 'b', 'c', 'd'].map((letter) => (text.includes(letter) ? 1 : 0)), text.length / 20];
}

/** Encoders that cost nothing: an image is its mean color, a text its letters; both have one token, the same. */
export async function tinySession(): Promise<FrozenSession> {
  const engine = await createEngine('eager:cpu');
  const rows = (features: number[][], width: number) => hostTensor(features.flat(), [features.length, width]);
  const tokens = (features: number[][], width: number) => ({
    tokens: hostTensor(features.flat(), [features.length, 1, width]),
    mask: hostTensor(new Float32Array(features.length).fill(1), [features.length, 1]),
    pieces: hostTensor(new Int32Array(features.length), [features.length, 1]),
  });
  const image: ImageEncoder = {
    ...common,
    id: 'tiny:color',
    modality: 'image',
    outputDim: 3,
    tokenDim: 3,
    encode: async (images) => rows(images.map(colorOf), 3),
    encodeTokens: async (images) => tokens(images.map(colorOf), 3),
  };
  const text: TextEncoder = {
    ...common,
    id: 'tiny:letters',
    modality: 'text',
    maskToken: '[MASK]',
    outputDim: 5,
    tokenDim: 5,
    encode: async (texts) => rows(texts.map(lettersOf), 5),
    encodeTokens: async (texts) => tokens(texts.map(lettersOf), 5),
  };
  return { engine, image, text, dispose: () => engine.dispose() };
}
