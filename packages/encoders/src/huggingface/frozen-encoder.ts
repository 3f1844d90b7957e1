import type { Engine, Host, HostTensor, HostTree, RgbImage, StepProgram, TensorTree } from '@drf/tensor';
import type { FrozenEncoder, ImageEncoder, TextEncoder, TokenFeatures } from '../contract.js';
import { copyRows, emptyRows } from '../rows.js';
import { UseGuard } from '../use-guard.js';
import { LARGEST_BATCH } from './batch-pieces.js';
import type { EncoderModel, ModelOutputs } from './encoder-model.js';
import type { ImageModel } from './image-model.js';
import type { TextModel } from './text-model.js';

type Runner = StepProgram<TensorTree, TensorTree, ModelOutputs>;

/** How many batches of texts are looked at together, so that those of one length find each other. */
const BATCHES_OF_TEXTS = 4;

class FrozenTransformer<Content, Model extends EncoderModel<Content>> implements FrozenEncoder<Content> {
  readonly trainable = false;
  readonly id: string;
  readonly modality;
  readonly outputDim: number;
  readonly tokenDim: number;
  readonly preferredBatch: number;
  private readonly guard: UseGuard;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    protected readonly model: Model,
    private readonly runner: Runner,
  ) {
    this.id = model.id;
    this.modality = model.modality;
    this.outputDim = model.outputDim;
    this.tokenDim = model.tokenDim;
    this.preferredBatch = model.modality === 'text' ? BATCHES_OF_TEXTS * LARGEST_BATCH : LARGEST_BATCH;
    this.guard = new UseGuard(`Hugging Face ${model.modality} encoder`);
  }

  async preprocess(contents: readonly Content[]): Promise<HostTree> {
    this.check(contents);
    return this.model.preprocess(contents);
  }

  async encode(contents: readonly Content[]): Promise<HostTensor> {
    this.check(contents);
    const rows = emptyRows(contents.length, this.outputDim);
    for (const { places, inputs } of this.model.pieces(contents)) {
      const { features } = await this.run(await inputs());
      copyRows(rows, firstRows(features, places.length), places);
    }
    return rows;
  }

  async encodeTokens(contents: readonly Content[]): Promise<TokenFeatures> {
    this.check(contents);
    const parts: { readonly places: readonly number[]; readonly outputs: Host<ModelOutputs> }[] = [];
    for (const { places, inputs } of this.model.pieces(contents)) {
      parts.push({ places, outputs: await this.run(await inputs()) });
    }
    const length = Math.max(0, ...parts.map(({ outputs }) => outputs.mask.shape[1] as number));
    const tokens = emptyRows(contents.length, length, this.tokenDim);
    const mask = emptyRows(contents.length, length);
    const pieces = new Int32Array(contents.length * length);
    for (const { places, outputs } of parts) {
      copyRows(tokens, firstRows(outputs.tokens, places.length), places);
      copyRows(mask, firstRows(outputs.mask, places.length), places);
      const ids = outputs.pieces;
      const width = ids?.shape[1] ?? 0;
      places.forEach((place, row) =>
        pieces.set(ids?.data.subarray(row * width, (row + 1) * width) ?? [], place * length),
      );
    }
    return this.modality === 'text'
      ? { tokens, mask, pieces: { dtype: 'int32', shape: mask.shape, data: pieces } }
      : { tokens, mask };
  }

  async dispose(): Promise<void> {
    if (!this.guard.dispose()) return;
    await this.queue;
    await this.runner.dispose();
  }

  private check(contents: readonly Content[]): void {
    this.guard.assertUsable();
    this.model.assertContents(contents);
  }

  /** One call at a time, as a step's calls must not overlap; callers may. */
  private run(inputs: HostTree): Promise<Host<ModelOutputs>> {
    const result = this.queue.then(() => this.runner.step(inputs));
    this.queue = result.catch(() => undefined);
    return result;
  }
}

/** The first rows of a tensor; the others are padding. */
function firstRows({ data, dtype, shape }: HostTensor, rows: number): HostTensor {
  const size = data.length / (shape[0] as number);
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.subarray(0, rows * size) };
}

class FrozenText extends FrozenTransformer<string, TextModel> implements TextEncoder {
  readonly maskToken = this.model.maskToken;
}

/**
 * Lets an engine run a model. Its parameters are the state of a step that never changes: they lie with the engine once,
 * however many shapes of inputs there are.
 */
async function prepare<Content>(model: EncoderModel<Content>, parameters: HostTree, engine: Engine): Promise<Runner> {
  const step = (state: TensorTree, inputs: TensorTree) => ({ state, outputs: model.apply(state, inputs) });
  return engine.prepareStep<TensorTree, TensorTree, ModelOutputs>(step, parameters);
}

/** An image encoder that an engine runs. */
export async function frozenImageEncoder(
  model: ImageModel,
  parameters: HostTree,
  engine: Engine,
): Promise<ImageEncoder> {
  return new FrozenTransformer<RgbImage, ImageModel>(model, await prepare(model, parameters, engine));
}

/** A text encoder that an engine runs. */
export async function frozenTextEncoder(model: TextModel, parameters: HostTree, engine: Engine): Promise<TextEncoder> {
  return new FrozenText(model, await prepare(model, parameters, engine));
}
