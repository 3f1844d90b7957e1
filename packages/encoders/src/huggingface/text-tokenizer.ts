import { Tokenizer } from '@huggingface/tokenizers';
import { boundMarks, headOf } from '@drf/preprocessing/text';
import { ConfigurationError, DataError } from '@drf/tensor';
import { DEFAULT_MASK_TOKEN } from '../contract.js';
import {
  isUnigramOfWords,
  type LinearizableTokenizer,
  lowerCase,
  makeLinear,
  type WorkBudget,
} from '../tokenizers/linear-tokenizer.js';

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
  const parts = {
    ...(normalized.changes.length > 0 ? { normalizer: normalized.part } : {}),
    ...(spaced.changes.length > 0 ? { pre_tokenizer: spaced.part } : {}),
  };
  const together = changes.length === 0 ? file : { ...file, ...parts };
  const exact = withExactSpaces({ normalizer: together['normalizer'], pre_tokenizer: together['pre_tokenizer'] });
  if (exact !== undefined) return { tokenizer: { ...together, ...exact }, changes: [...changes, 'spaces'] };
  return { tokenizer: changes.length === 0 ? files.tokenizer : together, changes };
}

/**
 * Patterns whose `\s` and `\S` mean Unicode's white space, as in the reference implementation: JavaScript's has U+FEFF,
 * which stands at the beginning of many files, and not U+0085.
 * @returns undefined where no pattern has them
 */
function withExactSpaces(parts: Keys): Keys | undefined {
  const text = JSON.stringify(parts, (key, value: unknown) =>
    key === 'Regex' && typeof value === 'string'
      ? value.replace(
          /\\(\\|s|S)/g,
          (whole, what) => ({ s: '\\p{White_Space}', S: '\\P{White_Space}' })[what as string] ?? whole,
        )
      : value,
  );
  return text === JSON.stringify(parts) ? undefined : (JSON.parse(text) as Keys);
}

/** The normalizer of a `tokenizer.json`, as far as it is looked at here. */
interface NormalizerFile {
  readonly type?: unknown;
  readonly lowercase?: unknown;
  readonly handle_chinese_chars?: unknown;
  readonly normalizers?: unknown;
}

/** Ideographs beyond 16 bits, which BERT's normalizer parts from what stands beside them. */
const WIDE_IDEOGRAPHS =
  /[\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/** Halves of a character that lack the other half. */
const LONE_SURROGATES = /\p{Surrogate}/gu;

function normalizers(file: unknown): NormalizerFile[] {
  if (typeof file !== 'object' || file === null) return [];
  const { normalizers: parts } = file as NormalizerFile;
  return Array.isArray(parts) ? parts.flatMap(normalizers) : [file];
}

/**
 * What has to be done to a text so that `@huggingface/tokenizers` (0.2) gives the ids of the reference implementation
 * (the `tokenizers` library in Rust):
 * - a lone half of a character becomes U+FFFD; the reference takes whole characters only
 * - Σ is lower-cased as σ everywhere, character by character, where JavaScript writes ς at the end of a word
 * - ideographs beyond 16 bits are set apart like all others
 *
 * Of a run of combining marks the first 128 are left, so that normalization takes linear time.
 * @param tokenizer a parsed `tokenizer.json`
 */
function referenceNormalization(tokenizer: unknown): (text: string) => string {
  const steps = normalizers((tokenizer as { readonly normalizer?: unknown }).normalizer);
  const lowercases = steps.some(({ type, lowercase }) => type === 'Lowercase' || lowercase === true);
  const partsIdeographs = steps.some((step) => step.type === 'BertNormalizer' && step.handle_chinese_chars === true);
  return (text) => {
    let result = boundMarks(text.replace(LONE_SURROGATES, '\ufffd'));
    if (lowercases) result = result.replaceAll('Σ', 'σ');
    return partsIdeographs ? result.replace(WIDE_IDEOGRAPHS, ' $& ') : result;
  };
}

/** Lengths that texts are padded to in steps of training unless told otherwise, before the model's own limit: few, as each takes a trace. */
const LENGTHS_OF_STEPS = [16, 32, 48, 64, 96, 128];
/** Texts of frozen encoders, which one graph takes at any length, are padded to multiples of it. */
const FROZEN_STEP = 8;

/**
 * The lengths that batches of texts are padded to, ascending; the last one is where texts are cut. Default of
 * frozen encoders: multiples of 8, then the model's limit; in training, where each length takes a trace: 16, 32, 48, 64, 96,
 * 128 and the limit.
 * @param limit tokens after which texts are cut by default
 * @param longest most tokens that the model reads
 * @throws ConfigurationError for lengths that are not whole numbers from 2 to the longest
 */
export function textLengths(
  use: 'frozen' | 'trained',
  limit: number,
  longest: number,
  given?: readonly number[],
): readonly number[] {
  if (given === undefined) {
    const eights = Array.from({ length: Math.ceil(limit / FROZEN_STEP) }, (_, i) => (i + 1) * FROZEN_STEP);
    return [...(use === 'frozen' ? eights : LENGTHS_OF_STEPS).filter((length) => length < limit), limit];
  }
  const fits = given.length > 0 && given.every((each) => Number.isInteger(each) && each >= 2 && each <= longest);
  if (fits) return [...new Set(given)].sort((a, b) => a - b);
  throw new ConfigurationError({
    subject: 'openEncoder, textLengths,',
    expected: `whole numbers from 2 to ${longest}, the tokens that the model reads`,
    received: JSON.stringify(given),
    remedy: 'leave them out for lengths that suit posts',
  });
}

/** Of many lengths, the few that steps of training have, and the last one. */
export function fewOf(lengths: readonly number[]): readonly number[] {
  const few = lengths.filter((length, i) => LENGTHS_OF_STEPS.includes(length) || i === lengths.length - 1);
  return lengths.length > LENGTHS_OF_STEPS.length ? few : lengths;
}

/** The smallest of the lengths that holds so many tokens. */
export function lengthFor(tokens: number, lengths: readonly number[]): number {
  return lengths.find((length) => length >= tokens) ?? (lengths.at(-1) as number);
}

/** The part of the library's class that is used here; its own declarations do not resolve under Node's rules. */
interface LibraryTokenizer extends LinearizableTokenizer {
  encode(text: string, options?: { readonly add_special_tokens?: boolean }): { readonly ids: number[] };
  get_added_tokens_decoder(): ReadonlyMap<number, { readonly content: string }>;
}

/** Token ids of texts, with the special tokens around them. */
export interface TextTokenizer {
  /** What a masked word is replaced by. */
  readonly maskToken: string;
  /** What stands behind a text in a batch, as `tokenizer_config.json` says; undefined where it does not. */
  readonly paddingId: number | undefined;
  /** Tokens after which a text is cut, special ones included, as the model's files say. */
  readonly limit: number;
  /** Most tokens of a text that the model can read, which may be more than its files say. */
  readonly longest: number;
  /** Where ids are not what the library makes of `tokenizer.json` alone: part of an encoder's id. */
  readonly changes: readonly string[];
  /** Number of ids: one more than the largest. */
  readonly size: number;
  /**
   * Ids of a text. An empty text has the special tokens alone; a text that is cut keeps the closing one.
   * @param most cut there, at most at {@link TextTokenizer.longest}; default {@link TextTokenizer.limit}
   */
  encode(text: string, most?: number): number[];
}

/** The parsed files of a tokenizer. */
interface TokenizerFiles {
  /** `tokenizer.json` */
  readonly tokenizer: unknown;
  /** `tokenizer_config.json` */
  readonly config: unknown;
  /** `model_type` of the model's `config.json`, which decides where the tokenizer's files do not say what they are for. */
  readonly modelType?: string;
}

/** How long texts may be, in tokens, and whether they are lower-cased first, as files beside the tokenizer's say. */
interface ReadingOptions {
  /** Most tokens that the model has positions for. */
  readonly positions: number;
  /** Where texts are cut instead of at the tokenizer's own `model_max_length`. */
  readonly maximumTokens?: number;
  /** Lower-case everything but special tokens before the tokenizer sees it; default false. */
  readonly lowercases?: boolean;
}

/** Characters that are looked at first, a token of the limit; doubled until they hold enough tokens. */
const CHARACTERS_PER_TOKEN = 16;
/** What comes after so many characters is never looked at. */
const MAXIMUM_CHARACTERS = 2 ** 20;
/** Normalization may make more of a character; so much is looked at. */
const UNITS_PER_CHARACTER = 4;

/** A token as `tokenizer_config.json` says it: its text, or a description of it. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  const content = (token as { readonly content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

function load({ tokenizer, config }: TokenizerFiles, subject: string): LibraryTokenizer {
  try {
    return new Tokenizer(tokenizer, config) as LibraryTokenizer;
  } catch (error) {
    throw new DataError(
      {
        subject: `tokenizer.json of ${subject}`,
        expected: 'a tokenizer as the tokenizers library writes it',
        received: (error as Error).message,
        remedy: 'fetch or export the model again',
      },
      { cause: error },
    );
  }
}

/** Whether the tokenizer knows a token as one that stands for itself inside a text. */
function isAddedToken(tokenizer: LibraryTokenizer, token: string): boolean {
  return [...tokenizer.get_added_tokens_decoder().values()].some(({ content }) => content === token);
}

/** The mask token, as the configuration names it, or else by the names that BERT and RoBERTa have for it. */
function findMask(tokenizer: LibraryTokenizer, config: unknown): string {
  const named = tokenText((config as { readonly mask_token?: unknown }).mask_token);
  const candidates = [...(named === undefined ? [] : [named]), DEFAULT_MASK_TOKEN, '<mask>'];
  return candidates.find((token) => isAddedToken(tokenizer, token)) ?? DEFAULT_MASK_TOKEN;
}

/** One more than the largest id of pieces and added tokens. */
function sizeOf({ model }: LibraryTokenizer): number {
  let largest = -1;
  for (const id of model.tokens_to_ids.values()) largest = Math.max(largest, id);
  return largest + 1;
}

/**
 * A model's tokenizer, of the `tokenizer.json` and `tokenizer_config.json` that come with it, with the ids of the
 * reference implementation. Bounded work, linear in what is looked at: of a long text, 16 characters a token of the limit
 * (up to the last white space in them) and four times as many of what normalization makes of them, twice as many if these
 * hold too few tokens, and so on up to 2²⁰ characters.
 * @param subject the model, for errors
 * @throws DataError when the files are not those of a tokenizer
 */
export function createTextTokenizer(files: TokenizerFiles, options: ReadingOptions, subject: string): TextTokenizer {
  const { tokenizer: file, changes } = withConfiguration(files);
  const tokenizer = load({ ...files, tokenizer: file }, subject);
  const budget: WorkBudget = { units: Infinity, isExceeded: false };
  makeLinear(tokenizer, file, budget);
  const normalize = referenceNormalization(file);
  const maskToken = findMask(tokenizer, files.config);
  const { positions, lowercases = false } = options;
  const ids = (text: string, characters: number): number[] => {
    Object.assign(budget, { units: UNITS_PER_CHARACTER * characters, isExceeded: text.length > characters });
    const head = headOf(text, characters);
    return tokenizer.encode(normalize(lowercases ? lowerCase(head, maskToken) : head)).ids;
  };
  const closing = countClosing(tokenizer);
  const ownLimit = Number((files.config as { readonly model_max_length?: unknown }).model_max_length);
  const longest = Math.min(positions, ownLimit > 0 ? ownLimit : Infinity);
  const limit = Math.min(positions, options.maximumTokens ?? longest);
  return {
    maskToken,
    paddingId: tokenizer.model.tokens_to_ids.get(tokenText((files.config as Keys)['pad_token']) ?? ''),
    limit,
    longest: Math.max(limit, longest),
    changes: isUnigramOfWords(tokenizer, file) ? [...changes, 'words'] : changes,
    size: sizeOf(tokenizer),
    encode(text, most = limit) {
      const wanted = Math.min(most, Math.max(limit, longest));
      let characters = wanted * CHARACTERS_PER_TOKEN;
      let found = ids(text, characters);
      while (found.length < wanted && budget.isExceeded && characters < MAXIMUM_CHARACTERS) {
        characters = Math.min(2 * characters, MAXIMUM_CHARACTERS);
        found = ids(text, characters);
      }
      if (found.length <= wanted) return found;
      return [...found.slice(0, wanted - closing), ...found.slice(found.length - closing)];
    },
  };
}

/** How many special tokens end every text. */
function countClosing(tokenizer: LibraryTokenizer): number {
  const bare = tokenizer.encode('a', { add_special_tokens: false }).ids;
  const whole = tokenizer.encode('a').ids;
  const start = whole.findIndex((_, i) => bare.every((id, k) => whole[i + k] === id));
  return start < 0 ? 0 : whole.length - start - bare.length;
}
