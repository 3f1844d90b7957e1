import type { PreTrainedTokenizer } from '@huggingface/transformers';
import type { LibraryTensor } from './outputs.js';

/** Token limit where neither the tokenizer nor the model gives a lower one. */
const DEFAULT_MAXIMUM = 512;
/** Characters that are looked at, a token of the limit. */
const CHARACTERS_PER_TOKEN = 32;

export type TokenInputs = Record<string, LibraryTensor>;
/** Texts to the model's inputs, each [texts, tokens], padded to the longest. */
export type Tokenize = (texts: readonly string[]) => TokenInputs;

/** Most tokens that a model reads: its own limit and its tokenizer's, and never more than 512. */
function maximumTokens(tokenizer: PreTrainedTokenizer, config: Record<string, unknown>): number {
  const nested = (config['text_config'] ?? {}) as Record<string, unknown>;
  const positions = Number(config['max_position_embeddings'] ?? nested['max_position_embeddings'] ?? Infinity);
  // the positions of these families start behind the padding token's
  const offset = /roberta|camembert|mpnet/.test(String(config['model_type'])) ? 2 : 0;
  const limits = [DEFAULT_MAXIMUM, positions - offset, Number(tokenizer.model_max_length)];
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

/**
 * A model's tokenizer with bounded work. A text that is cut keeps its closing token, which the library drops and
 * CLIP's text half takes its feature from.
 */
export function createTokenize(tokenizer: PreTrainedTokenizer, config: Record<string, unknown>): Tokenize {
  const limit = maximumTokens(tokenizer, config);
  const encode: Tokenize = (texts) => {
    const heads = texts.map((text) => text.slice(0, limit * CHARACTERS_PER_TOKEN));
    return tokenizer(heads, { padding: true, truncation: true, max_length: limit }) as TokenInputs;
  };
  const closing = closingToken(tokenizer);
  return (texts) => {
    const inputs = encode(texts);
    const ids = inputs['input_ids'] as LibraryTensor;
    const mask = inputs['attention_mask'] as LibraryTensor;
    const [rows, tokens] = ids.dims as [number, number];
    for (let row = 0; closing !== undefined && tokens === limit && row < rows; row++) {
      const last = row * tokens + tokens - 1;
      if (Number(mask.data[last]) === 1) (ids.data as (number | bigint)[])[last] = closing;
    }
    return inputs;
  };
}
