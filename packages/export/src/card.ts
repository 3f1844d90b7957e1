import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import {
  describeCalibration,
  drfForm,
  readCalibration,
  readVersions,
  type OpenedRun,
  type RunDescription,
} from '@drf/experiment';
import type { DrfMemoryInputs } from '@drf/model';
import type { Host, HostTensor } from '@drf/tensor';
import type { PackageLicense } from './embedded-packages.js';
import type { InputSpecification } from './inputs.js';
import type { OnnxModel } from './onnx/model.js';
import { describeInterface } from './outputs.js';
import { describePreprocessing } from './preprocessing.js';
import type { RecordedEncoders } from './recorded-encoders.js';

/** Tells other programs what they look at. */
export const CARD_FORMAT = 'drf-onnx-1';

/** A model that is being exported. */
export interface BuiltModel {
  readonly file: string;
  readonly model: OnnxModel;
  readonly bytes: Uint8Array;
  readonly inputs: readonly InputSpecification[];
}

export interface CardSources {
  readonly run: OpenedRun;
  readonly encoders: RecordedEncoders;
  readonly models: readonly BuiltModel[];
  readonly licenses: readonly PackageLicense[];
  /** What a reader should know that is not a property of the run. */
  readonly notes: readonly string[];
}

function describeFile({ model, bytes, inputs }: BuiltModel, { config }: RunDescription) {
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
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
  if (!method.id.startsWith('drf')) return null;
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
export async function createCard({ run, encoders, models, licenses, notes }: CardSources) {
  const { description } = run;
  const { config } = description;
  const inputs = models.flatMap((model) => model.inputs);
  const calibration = await readCalibration(run.folder, basename(run.checkpoint));
  return {
    format: CARD_FORMAT,
    labels: description.classes,
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

export type Card = Awaited<ReturnType<typeof createCard>>;
