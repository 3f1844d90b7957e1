import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, DataError } from '@drf/tensor';

/** The file of old BERTs, one word piece a line. */
export const VOCABULARY_FILE = 'vocab.txt';

type Keys = Readonly<Record<string, unknown>>;

/** Special tokens by the names that `tokenizer_config.json` has for them, where it says nothing else. */
const SPECIAL_TOKENS = {
  pad_token: '[PAD]',
  unk_token: '[UNK]',
  cls_token: '[CLS]',
  sep_token: '[SEP]',
  mask_token: '[MASK]',
} as const;

function contentOf(token: unknown): unknown {
  return typeof token === 'object' && token !== null ? (token as Keys)['content'] : token;
}

/** The word pieces and their numbers; of two lines alike the later counts, as in Python. */
function parseVocabulary(text: string): Map<string, number> {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.at(-1) === '') lines.pop();
  return new Map(lines.map((line, id) => [line, id]));
}

/**
 * The `tokenizer.json` of a BERT that has `vocab.txt` alone, as transformers makes it (`BertConverter`): BERT's
 * normalizer, words, word pieces, `[CLS]` before and `[SEP]` behind a text.
 * @param text of `vocab.txt`
 * @param config the parsed `tokenizer_config.json`; an empty one where there is none
 * @param subject the model, for errors
 * @throws DataError when a special token is no piece; ConfigurationError for a configuration that asks for more
 */
export function wordPieceTokenizerOf(text: string, config: Keys, subject: string): object {
  const vocabulary = parseVocabulary(text);
  if (
    config['do_basic_tokenize'] === false ||
    (Array.isArray(config['never_split']) && config['never_split'].length > 0)
  ) {
    throw new ConfigurationError({
      subject: `tokenizer_config.json of ${subject}`,
      expected: 'neither "do_basic_tokenize": false nor "never_split", beside vocab.txt without tokenizer.json',
      received: JSON.stringify({ do_basic_tokenize: config['do_basic_tokenize'], never_split: config['never_split'] }),
      remedy:
        'save tokenizer.json with Python: transformers.AutoTokenizer.from_pretrained("<model>").save_pretrained("<folder>")',
    });
  }
  const special = Object.entries(SPECIAL_TOKENS).map(([key, fallback]) => {
    const content = String(contentOf(config[key]) ?? fallback);
    const id = vocabulary.get(content);
    if (id !== undefined) return { key, content, id };
    throw new DataError({
      subject: `${VOCABULARY_FILE} of ${subject}`,
      expected: `the special token ${content} in a line`,
      received: `${vocabulary.size} lines without it`,
      remedy: 'fetch or export the model again',
    });
  });
  const named = (key: keyof typeof SPECIAL_TOKENS) =>
    special.find((each) => each.key === key) as (typeof special)[number];
  const [unknown, first, last] = [named('unk_token'), named('cls_token'), named('sep_token')];
  const place = ({ content }: typeof first) => ({ SpecialToken: { id: content, type_id: 0 } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...special]
      .sort((a, b) => a.id - b.id)
      .map(({ id, content }) => {
        const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
        return { id, content, ...plain, special: true };
      }),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config['tokenize_chinese_chars'] ?? true,
      strip_accents: config['strip_accents'] ?? null,
      lowercase: config['do_lower_case'] ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [place(first), { Sequence: { id: 'A', type_id: 0 } }, place(last)],
      pair: [
        place(first),
        { Sequence: { id: 'A', type_id: 0 } },
        place(last),
        { Sequence: { id: 'B', type_id: 1 } },
        { SpecialToken: { id: last.content, type_id: 1 } },
      ],
      special_tokens: Object.fromEntries(
        [first, last].map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unknown.content,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  };
}

/** {@link wordPieceTokenizerOf} a folder's `vocab.txt`. */
export async function readWordPieces(folder: string, config: Keys, subject: string): Promise<object> {
  return wordPieceTokenizerOf(await readFile(join(folder, VOCABULARY_FILE), 'utf8'), config, subject);
}
