import { join } from 'node:path';
import { ContentDataset, FileSource, InlineText, Ledger, openDataset, saveSplits, type Dataset } from '@drf/datasets';
import { createEngine } from '@drf/engine';
import type { ImageEncoder, TextEncoder } from '@drf/encoders';
import {
  createMethod,
  encodeRecords,
  gatherBatch,
  parseExperiment,
  RunFolder,
  type ExperimentConfig,
  type FrozenSession,
} from '@drf/experiment';
import { ADAMW_DEFAULTS, prepareTraining, stepSchedule } from '@drf/model';
import { saveCheckpoint } from '@drf/model/checkpoint';
import { createRandom, hostTensor, type HostTensor, type HostTree, type RgbImage } from '@drf/tensor';
import { Workspace, type Services } from '../workspace.js';

/** Mean color, share of black, and spread of an image: enough to see a corruption. */
function imageFeature({ data }: RgbImage): number[] {
  const pixels = data.length / 3;
  const mean = (channel: number): number => {
    let sum = 0;
    for (let i = channel; i < data.length; i += 3) sum += data[i] as number;
    return sum / pixels / 255;
  };
  let black = 0;
  for (let i = 0; i < data.length; i += 3) if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 0) black++;
  return [mean(0), mean(1), mean(2), black / pixels];
}

/** How often each of some letters occurs: enough to tell texts apart. */
function textFeature(text: string): number[] {
  return [...'[aeinorst'].map((letter) => text.split(letter).length / 8);
}

function rows(features: readonly number[][], dim: number): HostTensor {
  return hostTensor(Float32Array.from(features.flat()), [features.length, dim]);
}

const none = (): Promise<HostTree> => Promise.resolve({});
const nothing = (): Promise<void> => Promise.resolve();

function tinyImageEncoder(id = 'tiny-image'): ImageEncoder {
  const encode = (images: readonly RgbImage[]) => Promise.resolve(rows(images.map(imageFeature), 4));
  return { id, modality: 'image', trainable: false, outputDim: 4, preprocess: none, encode, dispose: nothing };
}

function tinyTextEncoder(id = 'tiny-text'): TextEncoder {
  const encode = (texts: readonly string[]) => Promise.resolve(rows(texts.map(textFeature), 9));
  return {
    id,
    modality: 'text',
    trainable: false,
    maskToken: '[MASK]',
    outputDim: 9,
    preprocess: none,
    encode,
    dispose: nothing,
  };
}

export interface WorldOptions {
  readonly imageEncoderId?: string;
  readonly openDataset?: Services['openDataset'];
  readonly encode?: Services['encode'];
}

/** What a tiny evaluation counts of its surroundings. */
export interface TinyWorld {
  readonly workspace: Workspace;
  readonly opened: { datasets: number; sessions: number };
}

async function tinySession(imageEncoderId?: string): Promise<FrozenSession> {
  const engine = await createEngine('eager:cpu');
  const dispose = (): Promise<void> => engine.dispose();
  return { engine, image: tinyImageEncoder(imageEncoderId), text: tinyTextEncoder(), dispose };
}

/** The embedded data at a size that takes no time. */
export function openTiny(): Promise<Dataset> {
  return openDataset({ name: 'embedded', imageSize: 16, embedded: { train: 24, val: 12, test: 18 } });
}

/** A workspace with tiny encoders and tiny data. */
export function tinyWorld(options: WorldOptions = {}): TinyWorld {
  const opened = { datasets: 0, sessions: 0 };
  const workspace = new Workspace({
    services: {
      openDataset: (config, onProgress) => {
        opened.datasets++;
        return (options.openDataset ?? openTiny)(config, onProgress);
      },
      startSession: () => {
        opened.sessions++;
        return tinySession(options.imageEncoderId);
      },
      encode: options.encode ?? encodeRecords,
    },
  });
  return { workspace, opened };
}

export function tinyConfig(overrides: { method?: 'drf' | 'concatenation'; seed?: number } = {}): ExperimentConfig {
  const { method = 'drf', seed = 0 } = overrides;
  return parseExperiment(
    {
      name: 'tiny',
      method,
      seed,
      engine: 'eager:cpu',
      dataset: { name: 'embedded', imageSize: 16 },
      model: { dim: 4, queueCapacity: 8, discriminants: 0 }, // which training fits in the end, and this does not
      training: { epochs: 1, batchSize: 8, learningRate: 0.01 },
    },
    'tiny experiment',
  );
}

/** Trains a few steps on the tiny data and saves a run as training does. */
export async function makeTinyRun(path: string, config: ExperimentConfig, cache: string): Promise<RunFolder> {
  const dataset = await openTiny();
  const session = await tinySession();
  const { classes } = dataset;
  const shapes = { imageDim: session.image.outputDim, textDim: session.text.outputDim, classes: classes.length };
  const method = createMethod(config, shapes);
  const records = dataset.records.filter(({ split }) => split === 'train');
  const encoded = await encodeRecords({ dataset, records, strategy: { kind: 'none' }, seed: 0, session, cache });
  const parameters = method.initialParameters(createRandom(config.seed).fork('parameters'));
  const memory = method.createMemory();
  const program = await prepareTraining(session.engine, method, parameters, ADAMW_DEFAULTS);
  const rates = { encoder: 0, head: config.training.learningRate, floor: 0 };
  for (let step = 0; step < 3; step++) {
    const indices = Array.from({ length: 8 }, (_, i) => 8 * step + i);
    const batch = await gatherBatch(encoded.set, indices);
    const schedule = stepSchedule(step, 3, rates, ADAMW_DEFAULTS);
    const { observations } = await program.learn({ ...batch, memory: memory.inputs(), schedule });
    memory.update(observations);
  }
  const run = await RunFolder.create(path, { overwrite: true });
  const ids = (name: string): string[] => dataset.records.filter(({ split }) => split === name).map(({ id }) => id);
  await saveSplits(
    run.file('splits'),
    { train: ids('train'), val: ids('val'), test: ids('test') },
    { dataset: dataset.name, seed: 0, fractions: {} },
  );
  await saveCheckpoint(run.checkpointPath(3), {
    method: method.id,
    state: await program.readState(),
    memory: memory.state(),
    position: { step: 3, epoch: 1, stepInEpoch: 0 },
    progress: null,
  });
  await run.writeDescription({
    config,
    classes,
    encoders: { image: session.image.id, text: session.text.id },
    shapes,
    engine: session.engine.name,
    versions: { node: '', platform: '', packages: {}, git: null },
    createdAt: '',
  });
  await program.dispose();
  await session.dispose();
  return run;
}

/** Two posts with text only, of which the second's image file is missing. */
export function datasetWithMissingFile(
  folder: string,
  classes: readonly string[] = ['positive', 'neutral', 'negative'],
) {
  const ledger = new Ledger('made for a test');
  const record = (id: string, image: string | null, text: string) => ({
    id,
    label: 0,
    image: image === null ? null : new FileSource(join(folder, image), image, 1024),
    text: new InlineText(text),
  });
  const records = [record('fine', null, 'a fine day'), record('gone', 'gone.png', 'where is it')];
  ledger.keep(records.length);
  return new ContentDataset({
    name: 'made',
    classes,
    records,
    ledger,
    decoding: { width: 16, height: 16, fit: 'stretch', maximumPixels: 1000 },
    encoding: 'utf-8',
  });
}
