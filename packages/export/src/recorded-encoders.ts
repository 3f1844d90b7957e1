import { openEncoder, type ImageEncoder, type TextEncoder } from '@drf/encoders';
import type { RunDescription } from '@drf/experiment';
import {
  ConfigurationError,
  UnavailableError,
  type Engine,
  type HostTensor,
  type HostTree,
  type Modality,
  type PureFunction,
  type TensorTree,
} from '@drf/tensor';

/** The pure function that an encoder consists of, with its parameters. */
export interface EncoderFunction {
  readonly compute: PureFunction<TensorTree, TensorTree, TensorTree>;
  readonly parameters: HostTree;
}

function notToRun(): never {
  throw new UnavailableError({
    subject: 'RecordingEngine',
    expected: 'functions to be recorded',
    received: 'a request to run one',
  });
}

/** An engine that runs nothing: it keeps the functions that an encoder wants to have run, so that they can be traced. */
class RecordingEngine implements Engine {
  readonly name = 'recording';
  readonly functions: EncoderFunction[] = [];

  prepare: Engine['prepare'] = (run, constants) => {
    this.functions.push({ compute: run as unknown as EncoderFunction['compute'], parameters: constants });
    return Promise.resolve({ run: async () => notToRun(), dispose: () => Promise.resolve() });
  };

  prepareStep: Engine['prepareStep'] = async () => notToRun();

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

/** An embedded encoder as a function over the inputs that its preprocessing makes. */
export interface RecordedEncoder<E extends ImageEncoder | TextEncoder = ImageEncoder | TextEncoder> {
  readonly encoder: E;
  readonly apply: EncoderFunction;
}

export interface RecordedEncoders {
  readonly image?: RecordedEncoder<ImageEncoder>;
  readonly text?: RecordedEncoder<TextEncoder>;
}

/** @throws ConfigurationError when the installed encoder is not the one that the run was trained with */
async function record<M extends Modality>(modality: M, trainedWith: string) {
  const engine = new RecordingEngine();
  const encoder = await openEncoder('embedded', modality, engine);
  const [apply] = engine.functions;
  if (encoder.id === trainedWith && apply !== undefined) return { encoder, apply };
  throw new ConfigurationError({
    subject: `export, ${modality} encoder`,
    expected: `"${trainedWith}", with which the run was trained`,
    received: `"${encoder.id}"`,
    remedy: 'install the version that it was trained with, or export the head alone with --head-only',
  });
}

/** The run's encoders, those of them that are the embedded ones. */
export async function recordEncoders({ config, encoders }: RunDescription): Promise<RecordedEncoders> {
  return {
    ...(config.encoders.image === 'embedded' ? { image: await record('image', encoders.image) } : {}),
    ...(config.encoders.text === 'embedded' ? { text: await record('text', encoders.text) } : {}),
  };
}

/** A tensor of what an encoder's preprocessing makes. */
export function preprocessed(inputs: HostTree, name: string): HostTensor {
  return inputs[name] as HostTensor;
}
