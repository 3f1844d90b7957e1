import type { LinearDiscriminant } from '@drf/distribution';
import { createMethod, discriminantShare, type ExperimentInput, parseExperiment, RunFolder } from '@drf/experiment';
import { putDiscriminants, unfittedDiscriminants, type DiscriminantParameters, type MethodShapes } from '@drf/model';
import { saveCheckpoint } from '@drf/model/checkpoint';
import {
  byModality,
  createRandom,
  hostScalar,
  hostTensor,
  type Host,
  type HostTensor,
  type HostTree,
  type Modality,
} from '@drf/tensor';
import { createEngine } from '@drf/engine';
import { openEncoder } from '@drf/encoders';

export interface TinyRunOptions {
  readonly method?: ExperimentInput['method'];
  readonly encoders?: { readonly image: string; readonly text: string };
  readonly encoderIds?: { readonly image: string; readonly text: string };
  readonly shapes?: Pick<MethodShapes, 'imageDim' | 'textDim' | 'tokens'>;
  readonly model?: ExperimentInput['model'];
  /** Side at which images are decoded; default 32. */
  readonly imageSize?: number;
  /** Whether discriminants, where the method has any, look fitted; `image`: training corrupted no text. Default: not. */
  readonly fitted?: boolean | 'image';
  /** Posts that the queues have seen. */
  readonly seen?: number;
}

/** Random numbers of a shape, the same for the same name. */
export function randomTensor(name: string, shape: readonly number[]): HostTensor {
  const random = createRandom(7).fork(name);
  const size = shape.reduce((product, each) => product * each, 1);
  return hostTensor(
    Float32Array.from({ length: size }, () => random.uniform(-1, 1)),
    shape,
  );
}

/** What a step would tell the queues of random posts, all of them fit to enter. */
function observations(posts: number, dim: number, widths: { imageDim: number; textDim: number }): HostTree {
  const of = { image: widths.imageDim, text: widths.textDim };
  return byModality((modality) => ({
    features: randomTensor(`${modality} features`, [posts, dim]),
    encoded: randomTensor(`${modality} outputs`, [posts, of[modality]]),
    admitted: hostTensor(new Float32Array(posts).fill(1), [posts]),
  }));
}

/** Discriminants of random numbers; what fitting gives of a text that was never corrupted is constant. */
function randomDiscriminants(shapes: MethodShapes, share: number, which: true | 'image'): Host<DiscriminantParameters> {
  const of = (modality: Modality, width: number): Host<DiscriminantParameters>['image'] => {
    const one = (part: string, groups: number): LinearDiscriminant => {
      const { data, shape } = randomTensor(`${modality} ${part}`, [width, groups]);
      const kernel = hostTensor(
        Float32Array.from(data, (weight) => (4 * weight) / Math.sqrt(width)),
        shape,
      );
      return { kernel, bias: randomTensor(`${modality} ${part} bias`, [groups]) };
    };
    const { classes } = shapes;
    return { quality: one('quality', 1), intact: one('intact', classes), corrupted: one('corrupted', classes) };
  };
  const text = of('text', shapes.textDim);
  const constant = {
    kernel: hostTensor(new Float32Array(shapes.textDim), [shapes.textDim, 1]),
    bias: hostTensor([1], [1]),
  };
  return {
    ...unfittedDiscriminants(shapes),
    image: of('image', shapes.imageDim),
    text: which === 'image' ? { ...text, quality: constant } : text,
    share: hostScalar(share),
  };
}

/** A run with random parameters and part-filled queues, saved as training saves one. */
export async function makeTinyRun(path: string, options: TinyRunOptions = {}): Promise<RunFolder> {
  const {
    method: name = 'drf-paper',
    shapes: widths = { imageDim: 6, textDim: 9 },
    seen = 5,
    imageSize = 32,
    fitted = false,
  } = options;
  const encoders = options.encoders ?? { image: 'transformers:an-image-model', text: 'transformers:a-text-model' };
  const config = parseExperiment(
    {
      name: 'tiny',
      method: name,
      seed: 3,
      dataset: { name: 'embedded', imageSize },
      encoders,
      model: { dim: 6, converterHidden: 5, fusionHidden: 7, queueCapacity: 8, ...options.model },
      training: { disruption: 'fixed:image:C' },
    },
    'tiny experiment',
  );
  const classes = ['positive', 'neutral', 'negative'];
  const shapes = { ...widths, classes: classes.length };
  const moments = (modality: string, width: number) => ({
    mean: randomTensor(`${modality} mean`, [width]).data as Float32Array,
    std: (randomTensor(`${modality} deviation`, [width]).data as Float32Array).map((number) => 2 + number),
  });
  const standardization = { image: moments('image', widths.imageDim), text: moments('text', widths.textDim) };
  const method = createMethod(config, { ...shapes, standardization });
  const memory = method.createMemory();
  memory.update(observations(seen, config.model.dim, widths));
  const initial = method.initialParameters(createRandom(config.seed));
  const run = await RunFolder.create(path, { overwrite: true });
  await saveCheckpoint(run.checkpointPath(3), {
    method: method.id,
    state: { parameters: fitted === false ? initial : putDiscriminants(initial, randomDiscriminants(shapes, discriminantShare(config), fitted)) }, // prettier-ignore
    memory: memory.state(),
    position: { step: 3, epoch: 1, stepInEpoch: 0 },
    progress: null,
  });
  await run.writeDescription({
    config,
    classes,
    encoders: options.encoderIds ?? encoders,
    shapes,
    engine: 'eager:cpu',
    versions: { node: '', platform: '', packages: {}, git: null },
    createdAt: '2026-01-01T00:00:00.000Z',
  });
  return run;
}

/** A tiny run whose encoders are the embedded ones. */
export async function makeEmbeddedRun(path: string, options: TinyRunOptions = {}): Promise<RunFolder> {
  const engine = await createEngine('compiled');
  const image = await openEncoder('embedded', 'image', engine);
  const text = await openEncoder('embedded', 'text', engine);
  const run = await makeTinyRun(path, {
    ...options,
    encoders: { image: 'embedded', text: 'embedded' },
    encoderIds: { image: image.id, text: text.id },
    shapes: { imageDim: image.outputDim, textDim: text.outputDim },
  });
  await image.dispose();
  await text.dispose();
  await engine.dispose();
  return run;
}
