import { describe, expect, it } from 'vitest';
import { createTextTokenizer } from './text-tokenizer.js';
import { wordPieceTokenizer } from '../testing/tiny-preprocessing.js';

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const WORDS = [...SPECIAL, 'day', 'Day', 'Café', 'cafe', 'café', '日', '本', '日本', 'Cafe'];
const TEXT = 'Day Café cafe 日本';

function open(lowercase: boolean, config: object, modelType?: string) {
  const plain = wordPieceTokenizer(WORDS, SPECIAL.length) as { readonly normalizer: object };
  const tokenizer = { ...plain, normalizer: { ...plain.normalizer, lowercase } };
  const files = { tokenizer, config, ...(modelType === undefined ? {} : { modelType }) };
  return createTextTokenizer(files, { positions: 32 }, 'some model');
}

const CASED = [6, 7, 8, 10, 11];
const LOWERED = [5, 8, 8, 10, 11];

// the ids are those of AutoTokenizer of transformers 4.57.6
describe('tokenizer_config.json beside a tokenizer.json that lower-cases or does not', () => {
  it.each([
    [{ do_lower_case: false }, CASED],
    [{ do_lower_case: true }, LOWERED],
    [{}, LOWERED],
    [{ strip_accents: false }, [5, 9, 8, 10, 11]],
    [{ strip_accents: true, do_lower_case: false }, [6, 13, 8, 10, 11]],
    [{ tokenize_chinese_chars: false }, [5, 8, 8, 12]],
  ])('wins for the classes of BERT, %o', (config, expected) => {
    for (const lowercase of [true, false]) {
      const named = open(lowercase, { tokenizer_class: 'BertTokenizer', ...config });
      const ofModel = open(lowercase, config, 'bert');
      for (const tokenizer of [named, ofModel]) expect(tokenizer.encode(TEXT).slice(1, -1)).toEqual(expected);
    }
  });

  it('is not looked at by the class that takes tokenizer.json as it is', () => {
    const config = { tokenizer_class: 'PreTrainedTokenizerFast', do_lower_case: false };
    expect(open(true, config, 'bert').encode(TEXT).slice(1, -1)).toEqual(LOWERED);
    expect(open(false, config, 'bert').encode(TEXT).slice(1, -1)).toEqual(CASED);
  });

  it('says what it changed, for the id of an encoder', () => {
    expect(open(true, { do_lower_case: false }, 'bert').changes).toEqual(['lowercase=false']);
    expect(open(true, { do_lower_case: true }, 'bert').changes).toEqual([]);
  });

  it('decides about the space in front of byte-level tokens', () => {
    const byteLevel = (own: boolean) => ({ type: 'ByteLevel', add_prefix_space: own, trim_offsets: true });
    const model = { type: 'BPE', vocab: { Ġ: 0, a: 1, b: 2 }, merges: [] };
    const rest = { added_tokens: [], normalizer: null, post_processor: null, decoder: null, model };
    const ids = (own: boolean, config: object) => {
      const files = { tokenizer: { ...rest, pre_tokenizer: byteLevel(own) }, config };
      return createTextTokenizer(files, { positions: 32 }, 'some model').encode('ab');
    };
    expect(ids(false, { add_prefix_space: true })).toEqual([0, 1, 2]);
    expect(ids(true, { add_prefix_space: false })).toEqual([1, 2]);
    expect(ids(true, {})).toEqual([1, 2]);
  });
});
