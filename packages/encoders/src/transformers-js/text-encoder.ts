import { Tokenizer } from '@huggingface/tokenizers';
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { boundMarks } from '@drf/preprocessing/text';
import { ConfigurationError, hostTensor, type HostTensor, type HostTree } from '@drf/tensor';
import { inBatches, joinTokens, outputWidths, type Widths } from '../batches.js';
import { DEFAULT_MASK_TOKEN, type TextEncoder, type TokenFeatures, UseGuard } from '../contract.js';
import { assertTexts } from '../embedded/text-encoder.js';
import { readSentenceModules, type SentenceModules } from '../huggingface/pooling.js';
import { withConfiguration } from '../huggingface/text-tokenizer.js';
import { isUnigramOfWords, type LinearizableTokenizer, lowerCase, makeLinear } from '../tokenizers/linear-tokenizer.js';
import { type Library, type LoadedModel, loadModel, type TransformersEncoderOptions } from './load-model.js';
import { type LibraryOutputs, type LibraryTensor, poolOutputs, tokenStates, toUnitLength } from './outputs.js';

/** Token limit where neither the tokenizer nor the model gives a lower one. */
const DEFAULT_MAXIMUM = 512;
/** Characters that are looked at, a token of the limit. */
const CHARACTERS_PER_TOKEN = 32;
/** Normalization may make more of a character; so much is looked at. */
const UNITS_PER_CHARACTER = 4;

type TokenInputs = Record<string, LibraryTensor>;
/** Texts to the model's inputs, each [texts, tokens], padded to the longest. */
export type Tokenize = (texts: readonly string[]) => TokenInputs;

type Keys = Readonly<Record<string, unknown>>;

/** What the library keeps of a tokenizer's files, and the tokenizer of `@huggingface/tokenizers` inside. */
interface Inside {
  readonly _tokenizerJSON: unknown;
  readonly _tokenizerConfig: unknown;
  _tokenizer: LinearizableTokenizer;
}

/** How texts are read, and the part of an encoder's id that says where this is not what the library does by itself. */
interface TextReading {
  readonly tokenize: Tokenize;
  readonly changes: readonly string[];
}

/** Most tokens that a model reads: its own limit, that of the files, and never more than 512. */
function maximumTokens(tokenizer: PreTrainedTokenizer, config: Keys, given: number | undefined): number {
  const nested = (config['text_config'] ?? {}) as Keys;
  const positions = Number(config['max_position_embeddings'] ?? nested['max_position_embeddings'] ?? Infinity);
  // the positions of these families start behind the padding token's
  const offset = /roberta|camembert|mpnet/.test(String(config['model_type'])) ? 2 : 0;
  const limits = [DEFAULT_MAXIMUM, positions - offset, given ?? Number(tokenizer.model_max_length)];
  return Math.min(...limits.filter((limit) => limit > 0));
}

/** The token that ends every text ([SEP], </s>, <|endoftext|>), if there is one. */
function closingToken(tokenizer: PreTrainedTokenizer): number | bigint | undefined {
  const last = (special: boolean): number | bigint | undefined => {
    const { input_ids: ids } = tokenizer('a', { add_special_tokens: special }) as TokenInputs;
    return Array.from(ids?.data ?? []).at(-1);
  };
  const withSpecial = last(true);
  return withSpecial === last(false) ? undefined : withSpecial;
}

/** @throws ConfigurationError when the tokenizer has ids that the model has no embedding for */
function assertVocabulary({ model }: LinearizableTokenizer, config: Keys, name: string): void {
  const nested = (config['text_config'] ?? {}) as Keys;
  const rows = Number(config['vocab_size'] ?? nested['vocab_size'] ?? Infinity);
  let largest = -1;
  for (const id of model.tokens_to_ids.values()) largest = Math.max(largest, id);
  if (!(largest >= rows)) return;
  throw new ConfigurationError({
    subject: `tokenizer.json of ${name}`,
    expected: `ids below ${rows}, the "vocab_size" of the model's config.json`,
    received: `ids up to ${largest}`,
    remedy: 'use the tokenizer that came with the model',
  });
}

/**
 * A model's tokenizer with bounded work, set up as `tokenizer_config.json` and sentence-transformers' files say. A text
 * that is cut keeps its closing token, which the library drops and CLIP's text half takes its feature from.
 * @param name of the model, for errors
 * @throws ConfigurationError when the tokenizer is larger than the model
 */
function createTokenize(
  tokenizer: PreTrainedTokenizer,
  config: Keys,
  modules: Pick<SentenceModules, 'maximumTokens' | 'lowercases'>,
  name: string,
): TextReading {
  const inside = tokenizer as unknown as Inside; // the parts that the library has, but does not declare
  const modelType = String(config['model_type']);
  const files = { tokenizer: inside._tokenizerJSON, config: inside._tokenizerConfig, modelType };
  const { tokenizer: file, changes } = withConfiguration(files);
  if (changes.length > 0) {
    inside._tokenizer = new Tokenizer(file, inside._tokenizerConfig) as LinearizableTokenizer;
  }
  assertVocabulary(inside._tokenizer, config, name);
  const limit = maximumTokens(tokenizer, config, modules.maximumTokens);
  const characters = limit * CHARACTERS_PER_TOKEN;
  makeLinear(inside._tokenizer, file, { units: UNITS_PER_CHARACTER * characters, isExceeded: false });
  const mask = tokenizer.mask_token as string | undefined;
  const read = (text: string): string => {
    const head = boundMarks(text.slice(0, characters));
    return modules.lowercases ? lowerCase(head, mask ?? DEFAULT_MASK_TOKEN) : head;
  };
  const closing = closingToken(tokenizer);
  const tokenize: Tokenize = (texts) => {
    const inputs = tokenizer(texts.map(read), { padding: true, truncation: true, max_length: limit }) as TokenInputs;
    const ids = inputs['input_ids'] as LibraryTensor;
    const tokens = inputs['attention_mask'] as LibraryTensor;
    const [rows, length] = ids.dims as [number, number];
    for (let row = 0; closing !== undefined && length === limit && row < rows; row++) {
      const last = row * length + length - 1;
      if (Number(tokens.data[last]) === 1) (ids.data as (number | bigint)[])[last] = closing;
    }
    return inputs;
  };
  const further = [
    ...(modules.lowercases ? ['lowercased'] : []),
    ...(modules.maximumTokens === undefined ? [] : [`tokens${limit}`]),
    ...(isUnigramOfWords(inside._tokenizer, file) ? ['words'] : []),
  ];
  return { tokenize, changes: [...changes, ...further] };
}

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
  const config = { ...loaded.model.config };
  const { tokenize, changes } = createTokenize(loaded.preprocessor, config, modules, name);
  const { outputs, mask } = await run(loaded, tokenize(['a']));
  const widths = outputWidths(poolOutputs('text', pooling, outputs, mask), tokenStates(outputs));
  const choices = [options.dtype ?? 'fp32', pooling ?? 'default', ...(normalizes ? ['unit'] : []), ...changes, 'v1'];
  const id = ['transformers', 'text', isFolder ? '' : options.model, loaded.revision, ...choices].join(':');
  return new TransformersTextEncoder(id, loaded, pooling, tokenize, normalizes, widths);
}
