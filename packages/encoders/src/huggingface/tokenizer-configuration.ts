import type { TokenizerFiles } from './text-tokenizer.js';

type Keys = Readonly<Record<string, unknown>>;

/** Tokenizers whose class in transformers sets BERT's normalizer up anew: `BertTokenizer`, `BertTokenizerFast` and so on. */
const BERT_CLASS =
  /^(?:Bert|DistilBert|Electra|MobileBert|SqueezeBert|ConvBert|LayoutLM|Lxmert|Funnel|MPNet)Tokenizer(?:Fast)?$/;
/** What they are called where only the model's configuration says so. */
const BERT_MODELS = ['bert', 'distilbert', 'electra', 'mobilebert', 'squeezebert', 'convbert', 'mpnet'];

function asKeys(value: unknown): Keys {
  return typeof value === 'object' && value !== null ? (value as Keys) : {};
}

/** A part of `tokenizer.json` with other values, and a list of what changed; keys that it lacks are left out. */
function changed(part: Keys, values: Keys): { readonly part: Keys; readonly changes: string[] } {
  const keys = Object.keys(values).filter((key) => Object.hasOwn(part, key) && part[key] !== values[key]);
  if (keys.length === 0) return { part, changes: [] };
  return { part: { ...part, ...values }, changes: keys.map((key) => `${key}=${String(values[key])}`) };
}

/**
 * What `tokenizer_config.json` says wins over `tokenizer.json`, as in Python: BERT's tokenizers normalize as their
 * `do_lower_case` (default true), `strip_accents` (default: when they lower-case) and `tokenize_chinese_chars` (default
 * true) say, and a byte-level tokenizer puts a space in front where `add_prefix_space` (default false) says so.
 * Source: `BertTokenizerFast.__init__` and `PreTrainedTokenizerFast.__init__` of transformers 4.57.
 * @returns the parsed `tokenizer.json` to be used, and what in it is changed
 */
export function withConfiguration(files: TokenizerFiles): {
  readonly tokenizer: unknown;
  readonly changes: readonly string[];
} {
  const [file, config] = [asKeys(files.tokenizer), asKeys(files.config)];
  const [normalizer, preTokenizer] = [asKeys(file['normalizer']), asKeys(file['pre_tokenizer'])];
  const named = config['tokenizer_class'];
  const isBert =
    typeof named === 'string' ? BERT_CLASS.test(named) : BERT_MODELS.includes(files.modelType ?? 'unknown');
  const { do_lower_case = true, strip_accents = null, tokenize_chinese_chars = true } = config;
  const isMpNet = typeof named === 'string' ? named.startsWith('MPNet') : files.modelType === 'mpnet';
  const bertValues = {
    lowercase: do_lower_case,
    strip_accents,
    ...(isMpNet ? {} : { handle_chinese_chars: tokenize_chinese_chars }),
  };
  const normalized = isBert ? changed(normalizer, bertValues) : { part: normalizer, changes: [] };
  const isByteLevel = preTokenizer['type'] === 'ByteLevel';
  const spaced = isByteLevel
    ? changed(preTokenizer, { add_prefix_space: config['add_prefix_space'] ?? false })
    : { part: preTokenizer, changes: [] };
  const changes = [...normalized.changes, ...spaced.changes];
  if (changes.length === 0) return { tokenizer: files.tokenizer, changes };
  return {
    tokenizer: {
      ...file,
      ...(normalized.changes.length > 0 ? { normalizer: normalized.part } : {}),
      ...(spaced.changes.length > 0 ? { pre_tokenizer: spaced.part } : {}),
    },
    changes,
  };
}
