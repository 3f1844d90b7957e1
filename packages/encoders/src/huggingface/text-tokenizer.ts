import { Tokenizer } from '@huggingface/tokenizers';
import { DataError } from '@drf/tensor';
import { DEFAULT_MASK_TOKEN } from '../contract.js';
import { referenceNormalization } from './tokenizer-normalization.js';

/** The part of the library's class that is used here; its own declarations do not resolve under Node's rules. */
interface LibraryTokenizer {
  encode(text: string, options?: { readonly add_special_tokens?: boolean }): { readonly ids: number[] };
  get_added_tokens_decoder(): ReadonlyMap<number, { readonly content: string }>;
}

/** Token ids of texts, with the special tokens around them. */
export interface TextTokenizer {
  /** What a masked word is replaced by. */
  readonly maskToken: string;
  /** Most tokens of a text, special ones included. */
  readonly limit: number;
  /**
   * Ids of a text. An empty text has the special tokens alone; a text that is cut keeps the closing one.
   * @param most cut there, at most at {@link TextTokenizer.limit}
   */
  encode(text: string, most?: number): number[];
}

/** The parsed files of a tokenizer. */
export interface TokenizerFiles {
  /** `tokenizer.json` */
  readonly tokenizer: unknown;
  /** `tokenizer_config.json` */
  readonly config: unknown;
}

/** Characters that are looked at first, a token of the limit; doubled until they hold enough tokens. */
const CHARACTERS_PER_TOKEN = 16;
/** What comes after so many characters is never looked at. */
const MAXIMUM_CHARACTERS = 2 ** 20;

/** A token as `tokenizer_config.json` says it: its text, or a description of it. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  const content = (token as { readonly content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

function load({ tokenizer, config }: TokenizerFiles, subject: string): LibraryTokenizer {
  try {
    return new Tokenizer(tokenizer as object, config as object) as LibraryTokenizer;
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

/** The beginning of a text, up to a white space where there is one, so that no word is cut. */
function headOf(text: string, characters: number): string {
  const head = text.slice(0, characters);
  const words = /^[^]*\s/.exec(head)?.[0]?.trimEnd();
  return words === undefined || words === '' ? head : words;
}

/**
 * A model's tokenizer, of the `tokenizer.json` and `tokenizer_config.json` that come with it, with the ids of the
 * reference implementation. Bounded work: of a long text, 16 characters a token of the limit are looked at (up to the
 * last white space in them), twice as many if these hold too few tokens, and so on up to 2²⁰ characters.
 * @param modelLimit most tokens that the model has positions for; the tokenizer's own `model_max_length` may be lower
 * @param subject the model, for errors
 * @throws DataError when the files are not those of a tokenizer
 */
export function createTextTokenizer(files: TokenizerFiles, modelLimit: number, subject: string): TextTokenizer {
  const tokenizer = load(files, subject);
  const normalize = referenceNormalization(files.tokenizer);
  const ids = (text: string): number[] => tokenizer.encode(normalize(text)).ids;
  const closing = countClosing(tokenizer);
  const ownLimit = Number((files.config as { readonly model_max_length?: unknown }).model_max_length);
  const limit = Math.min(modelLimit, ownLimit > 0 ? ownLimit : Infinity);
  return {
    maskToken: findMask(tokenizer, files.config),
    limit,
    encode(text, most = limit) {
      const wanted = Math.min(most, limit);
      let characters = wanted * CHARACTERS_PER_TOKEN;
      let found = ids(text.length > characters ? headOf(text, characters) : text);
      while (found.length < wanted && characters < Math.min(text.length, MAXIMUM_CHARACTERS)) {
        characters = Math.min(2 * characters, MAXIMUM_CHARACTERS);
        found = ids(text.length > characters ? headOf(text, characters) : text);
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
