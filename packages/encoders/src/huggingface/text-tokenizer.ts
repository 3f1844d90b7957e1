import { Tokenizer } from '@huggingface/tokenizers';
import { DataError } from '@drf/tensor';
import { DEFAULT_MASK_TOKEN } from '../contract.js';
import { headOf, lowerCase } from '../tokenizers/bounded-text.js';
import {
  isUnigramOfWords,
  makeLinear,
  type LinearizableTokenizer,
  type WorkBudget,
} from '../tokenizers/linear-tokenizer.js';
import { withConfiguration } from './tokenizer-configuration.js';
import { referenceNormalization } from './tokenizer-normalization.js';

/** The part of the library's class that is used here; its own declarations do not resolve under Node's rules. */
interface LibraryTokenizer extends LinearizableTokenizer {
  encode(text: string, options?: { readonly add_special_tokens?: boolean }): { readonly ids: number[] };
  get_added_tokens_decoder(): ReadonlyMap<number, { readonly content: string }>;
}

/** Token ids of texts, with the special tokens around them. */
export interface TextTokenizer {
  /** What a masked word is replaced by. */
  readonly maskToken: string;
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
export interface TokenizerFiles {
  /** `tokenizer.json` */
  readonly tokenizer: unknown;
  /** `tokenizer_config.json` */
  readonly config: unknown;
  /** `model_type` of the model's `config.json`, which decides where the tokenizer's files do not say what they are for. */
  readonly modelType?: string;
}

/** How long texts may be, in tokens, and whether they are lower-cased first, as files beside the tokenizer's say. */
export interface ReadingOptions {
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
