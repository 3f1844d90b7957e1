import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { hostTensor, type HostTensor, type HostTree } from '@drf/tensor';
import { DEFAULT_MASK_TOKEN, type TextEncoder, type TokenFeatures } from '../contract.js';
import { assertTexts } from '../embedded/sentence-tokenizer.js';
import { readSentenceModules } from '../huggingface/sentence-modules.js';
import { UseGuard } from '../use-guard.js';
import type { Library } from './library.js';
import { loadModel, type LoadedModel } from './load-model.js';
import type { TransformersEncoderOptions } from './options.js';
import { poolOutputs, tokenStates, toUnitLength, type LibraryOutputs } from './outputs.js';
import { createTokenize, type TokenInputs, type Tokenize } from './tokenize.js';
import { inBatches, joinTokens, outputWidths, type Widths } from './batches.js';

const BATCH = 16;

class TransformersTextEncoder implements TextEncoder {
  readonly modality = 'text';
  readonly trainable = false;
  readonly preferredBatch = BATCH;
  readonly outputDim: number;
  readonly tokenDim?: number;
  readonly maskToken: string;
  private readonly guard = new UseGuard('transformers.js text encoder');

  constructor(
    readonly id: string,
    private readonly loaded: LoadedModel<PreTrainedTokenizer>,
    private readonly pooling: TransformersEncoderOptions['pooling'],
    private readonly tokenize: Tokenize,
    private readonly normalizes: boolean,
    widths: Widths,
  ) {
    this.outputDim = widths.outputDim;
    this.maskToken = loaded.preprocessor.mask_token ?? DEFAULT_MASK_TOKEN;
    if (widths.tokenDim !== undefined) this.tokenDim = widths.tokenDim;
  }

  async preprocess(texts: readonly string[]): Promise<HostTree> {
    this.check(texts);
    const inputs = texts.length === 0 ? {} : this.tokenize(texts);
    return Object.fromEntries(
      Object.entries(inputs).map(([name, { data, dims }]) => [name, hostTensor(Int32Array.from(data, Number), dims)]),
    );
  }

  async encode(texts: readonly string[]): Promise<HostTensor> {
    this.check(texts);
    return inBatches(texts, BATCH, this.outputDim, async (batch) => {
      const { outputs, mask } = await run(this.loaded, this.tokenize(batch));
      const features = poolOutputs('text', this.pooling, outputs, mask);
      return this.normalizes ? toUnitLength(features) : features;
    });
  }

  async encodeTokens(texts: readonly string[]): Promise<TokenFeatures> {
    this.check(texts);
    const parts: TokenFeatures[] = [];
    for (let start = 0; start < texts.length; start += BATCH) {
      const inputs = this.tokenize(texts.slice(start, start + BATCH));
      const { outputs, mask } = await run(this.loaded, inputs);
      const tokens = tokenStates(outputs);
      if (tokens === undefined) continue;
      const shape = tokens.shape.slice(0, 2);
      const pieces = hostTensor(Int32Array.from(inputs['input_ids']?.data ?? [], Number), shape);
      parts.push({ tokens, mask: hostTensor(mask, shape), pieces });
    }
    return joinTokens(parts, this.tokenDim ?? this.outputDim);
  }

  async dispose(): Promise<void> {
    if (this.guard.dispose()) await this.loaded.model.dispose();
  }

  private check(texts: readonly string[]): void {
    this.guard.assertUsable();
    assertTexts(texts);
  }
}

async function run(
  loaded: LoadedModel<PreTrainedTokenizer>,
  inputs: TokenInputs,
): Promise<{ readonly outputs: LibraryOutputs; readonly mask: Float32Array }> {
  const outputs = (await loaded.model(inputs)) as LibraryOutputs;
  return { outputs, mask: Float32Array.from(inputs['attention_mask']?.data ?? [], Number) };
}

/** See {@link createTransformersEncoder}. */
export async function createTransformersTextEncoder(
  library: Library,
  options: TransformersEncoderOptions,
): Promise<TextEncoder> {
  const files = ['tokenizer.json', 'tokenizer_config.json'];
  const loaded = await loadModel(library, options, files, (name, load) =>
    library.AutoTokenizer.from_pretrained(name, load),
  );
  const { folder, isFolder, name } = loaded.source;
  const modules = await readSentenceModules(folder, options.pooling);
  const { pooling, normalizes } = modules;
  const config = loaded.model.config as unknown as Record<string, unknown>;
  const { tokenize, changes } = createTokenize(loaded.preprocessor, config, modules, name);
  const { outputs, mask } = await run(loaded, tokenize(['a']));
  const widths = outputWidths(poolOutputs('text', pooling, outputs, mask), tokenStates(outputs));
  const choices = [options.dtype ?? 'fp32', pooling ?? 'default', ...(normalizes ? ['unit'] : []), ...changes, 'v1'];
  const id = ['transformers', 'text', isFolder ? '' : options.model, loaded.revision, ...choices].join(':');
  return new TransformersTextEncoder(id, loaded, pooling, tokenize, normalizes, widths);
}
