import { preprocessed, type RecordedEncoders } from './recorded-encoders.js';
import type { RunDescription } from '@drf/experiment';
import type { InputSpecification } from './inputs.js';

/** Name of the word pieces' file beside the card. */
export const VOCABULARY_FILE = 'vocabulary.json';

const EXAMPLES = ['Hello world', 'RT @someone: what a GREAT day!!! #sunshine 😀😀', '  two\n spaces '];

function imagePreprocessing(imageSize: number, side: number, isInModel: boolean) {
  const decoding =
    `Decode; turn as EXIF says; scale to ${imageSize} × ${imageSize} without keeping the aspect (Lanczos with a = 3, ` +
    'widened when shrinking); lay alpha over white; 8 bits each of sRGB red, green, blue.';
  if (!isInModel)
    return { decodedSize: imageSize, steps: [decoding, 'Encode with the image encoder that the card names.'] };
  return {
    decodedSize: imageSize,
    steps: [
      decoding,
      ...(imageSize === side
        ? []
        : [`Scale to ${side} × ${side} (bilinear, widened when shrinking), again without keeping the aspect.`]),
      'Divide by 255: float32 from 0 to 1, laid out [height, width, channel]. The model itself goes on to −1 … 1.',
    ],
    size: [side, side],
    channels: 'RGB',
    layout: 'NHWC',
    scale: 1 / 255,
  };
}

async function textPreprocessing({ text }: RecordedEncoders, length: number | undefined) {
  if (text === undefined || length === undefined) {
    return { steps: ['Encode with the text encoder that the card names.'] };
  }
  const pieces = async (example: string): Promise<{ text: string; tokens: number[] }> => {
    const inputs = await text.encoder.preprocess([example]);
    const count = Array.from(preprocessed(inputs, 'mask').data).filter((mark) => mark === 1).length;
    return { text: example, tokens: [...preprocessed(inputs, 'tokens').data].slice(0, Math.min(count, length)) };
  };
  return {
    steps: [
      'Keep the first 16,384 UTF-16 units; runs of white space become one space; trim; keep the first 4,096 characters.',
      'Normalize to Unicode NFKC. If anything is left, put ▁ (U+2581) in front and replace every space by ▁.',
      `Look up word pieces in ${VOCABULARY_FILE}, a list of [piece, score] whose place is the id. Ids below ` +
        `${RESERVED_PIECES} never match; of equal pieces the last counts; sizes are counted in code points. Where no ` +
        'piece begins, one character is unknown: id 0, score 0.',
      'Cut the text into the likeliest pieces: best[0 … n] starts as 0, and the piece that ends at each place as an ' +
        'unknown character. For each end in rising order, and for each piece that ends there by rising start: if ' +
        'best[end] is 0 or at most score + best[start], that sum becomes best[end] and the piece the one that ends ' +
        'there. Then walk back from place n, a piece at a time.',
      'Merge neighboring unknowns (id 0) into one.',
      `Keep the first ${length} ids, fill up with 0 to ${length}; the mask is 1 for ids and 0 for what was filled up.`,
    ],
    vocabulary: VOCABULARY_FILE,
    length,
    maskToken: text.encoder.maskToken,
    examples: await Promise.all(EXAMPLES.map(pieces)),
  };
}

/** Control and reserved symbols in front of the vocabulary. */
const RESERVED_PIECES = 6;

/** How contents become the model's inputs, told to whoever writes the other program. */
export async function describePreprocessing(
  { config }: RunDescription,
  encoders: RecordedEncoders,
  inputs: readonly InputSpecification[],
) {
  const shapeOf = (name: string): number | undefined => inputs.find((input) => input.name === name)?.shape[0];
  const { imageSize } = config.dataset;
  const side = shapeOf('pixels');
  return {
    image: imagePreprocessing(imageSize, side ?? imageSize, side !== undefined),
    text: await textPreprocessing(encoders, shapeOf('tokens')),
    missing:
      'A post without an image (or text) gets any numbers in that input and 0 in imageAvailable (or textAvailable).',
  };
}
