import { basename } from 'node:path';
import {
  drfForm,
  type ExperimentConfig,
  type OpenedRun,
  readCalibration,
  readVersions,
  type RunDescription,
} from '@drf/experiment';
import { bytesHash } from '@drf/files';
import { describeCalibration } from '@drf/judge';
import { CARD_FORMAT, type Card, type CardFile } from '@drf/judge/card';
import type { DrfMemoryInputs } from '@drf/model';
import { ELEMENT_TYPES, type OnnxModel, type OnnxValueInfo, shapeOf } from '@drf/onnx';
import { MODALITIES, PAIRS, type Host, type HostTensor } from '@drf/tensor';
import type { PackageLicense } from './embedded-packages.js';
import { type InputSpecification, isDrf, preprocessed, type RecordedEncoders } from './model-function.js';

/** A model that is being exported. */
export interface BuiltModel {
  readonly file: string;
  readonly model: OnnxModel;
  readonly bytes: Uint8Array;
  readonly inputs: readonly InputSpecification[];
}

interface CardSources {
  readonly run: OpenedRun;
  readonly encoders: RecordedEncoders;
  readonly models: readonly BuiltModel[];
  readonly licenses: readonly PackageLicense[];
  /** What a reader should know that is not a property of the run. */
  readonly notes: readonly string[];
}

function describeFile({ model, bytes, inputs }: BuiltModel, { config }: RunDescription) {
  return {
    sha256: bytesHash(bytes),
    bytes: bytes.byteLength,
    ...describeInterface(model, new Map(inputs.map(({ name, meaning }) => [name, meaning])), config),
  };
}

function describeModel(config: RunDescription['config']) {
  const { dim, standardize, featureNorm, ablations } = config.model;
  const { weighting } = drfForm(config);
  /** Standardization of encoder outputs is part of the files: their inputs are what the encoders give. */
  return { dim, standardize, featureNorm, weighting, ablations };
}

/** Rows in a queue, by the weights that its rows have in the statistics. */
function rowsInUse(weights: HostTensor): number {
  return Array.from(weights.data).filter((weight) => weight > 0).length;
}

function describeQueues({ method, memory, description }: OpenedRun) {
  if (!isDrf(method.id)) return null;
  const { image, text, ready } = memory as Host<DrfMemoryInputs>;
  return {
    capacity: description.config.model.queueCapacity,
    imageRows: rowsInUse(image.rowWeights),
    textRows: rowsInUse(text.rowWeights),
    /** Without, densities mean nothing and the pairs weigh the same. */
    ready: ready.data[0] === 1,
  };
}

function describeRun({ folder, description, checkpoint, position }: OpenedRun) {
  const { config, versions, createdAt } = description;
  return {
    id: basename(folder.path),
    name: config.name,
    checkpoint: basename(checkpoint),
    step: position.step,
    epoch: position.epoch,
    trainedAt: createdAt,
    trainedWith: versions,
  };
}

/** What another program needs to know to use the exported files. */
export async function createCard({ run, encoders, models, licenses, notes }: CardSources): Promise<Card> {
  const { description } = run;
  const { config } = description;
  const inputs = models.flatMap((model) => model.inputs);
  const calibration = await readCalibration(run.folder, basename(run.checkpoint));
  return {
    format: CARD_FORMAT,
    labels: [...description.classes],
    method: config.method,
    seed: config.seed,
    dataset: config.dataset.name,
    trainingDisruption: config.training.disruption,
    run: describeRun(run),
    exportedWith: await readVersions(),
    model: describeModel(config),
    queues: describeQueues(run),
    encoders: description.encoders,
    files: Object.fromEntries(models.map((model) => [model.file, describeFile(model, description)])),
    preprocessing: await describePreprocessing(description, encoders, inputs),
    /** As training left it; null for runs without one: then temperature is 1, and no quality is known. */
    calibration,
    licenses: licenses.map(({ package: name, version, license }) => ({ package: name, version, license })),
    notes: [...notes, ...describeCalibration(calibration)],
  };
}

const DENSITIES = {
  Image: "the image feature against the image queue's distribution; means nothing where the image is missing",
  Text: "the text feature against the text queue's distribution; means nothing where the text is missing",
  RecoveredText: "the text recovered from the image, against the text queue's; means nothing without the image",
  RecoveredImage: "the image recovered from the text, against the image queue's; means nothing without the text",
} as const;

function densityMeanings(): [string, string][] {
  return Object.entries(DENSITIES).flatMap(([feature, against]): [string, string][] => [
    [`relativeDensity${feature}`, `quality, exp(−‖f − μ‖² / 2σ²), from 0 to 1: ${against}`],
    [`density${feature}`, `Eq. 9, exp(−‖f − μ‖² / 2σ²) / (√(2π)·σ): ${against}`],
  ]);
}

/** What each output means, by name. */
function outputMeanings(config: ExperimentConfig): Map<string, string> {
  const pairs = config.model.ablations.pairExpansion ? PAIRS.join(', ') : 'the original pair, filled by recovery';
  const weighed = config.method === 'drf' ? 'by the gate' : `by "${drfForm(config).weighting}"`;
  return new Map([
    ['probabilities', 'of the labels, in their order; each row sums to 1'],
    ['logits', 'scores of the labels before softmax'],
    ...densityMeanings(),
    ...(['Image', 'Text'] as const).map((name): [string, string] => [
      `logDensity${name}`,
      config.method === 'drf'
        ? `quality, the logarithm of a low-rank Gaussian's density but for a constant: the encoder's output among intact ones`
        : `the logarithm of relativeDensity${name}, which can be too small for a float32`,
    ]),
    ...MODALITIES.map((modality): [string, string] => [
      modality === 'image' ? 'intactImage' : 'intactText',
      `the probability that the ${modality} is intact rather than corrupted as in training, both taken for equally likely ` +
        `beforehand; means nothing where the ${modality} is missing`,
    ]),
    ['pairWeights', `weights of the pairs (${pairs}) ${weighed}; 0 where a pair does not exist`],
    ['recoveredText', 'the text feature recovered from the image; means nothing without the image'],
    ['recoveredImage', 'the image feature recovered from the text; means nothing without the text'],
  ]);
}

function described(infos: readonly OnnxValueInfo[], meanings: ReadonlyMap<string, string>): CardFile['inputs'] {
  return infos.map((info) => ({
    name: info.name,
    dtype: ELEMENT_TYPES[info.type.tensorType.elemType as keyof typeof ELEMENT_TYPES],
    shape: shapeOf(info),
    meaning: meanings.get(info.name) ?? '',
  }));
}

/** A model's interface as it stands in its file. @param inputs meanings of the inputs, by name */
function describeInterface(
  { graph, opsetImport, irVersion }: OnnxModel,
  inputs: ReadonlyMap<string, string>,
  config: ExperimentConfig,
): Omit<CardFile, 'sha256' | 'bytes'> {
  const [first] = graph.input as [OnnxValueInfo];
  const batch = shapeOf(first)[0] as number | string;
  return {
    opset: opsetImport[0]?.version ?? 0,
    irVersion,
    batch: typeof batch === 'number' ? batch : 'any',
    inputs: described(graph.input, inputs),
    outputs: described(graph.output, outputMeanings(config)),
  };
}

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

async function textPreprocessing(
  { text }: RecordedEncoders,
  length: number | undefined,
): Promise<Card['preprocessing']['text']> {
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
async function describePreprocessing(
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
