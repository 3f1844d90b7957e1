import { headOf, PieceTrie } from '@drf/preprocessing/text';

/** The part of the library's model of word pieces that is looked at here; it is a function with these members. */
interface LibraryModel {
  encode(words: readonly string[]): string[];
  _call(words: readonly string[]): string[];
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  readonly unk_token_id?: number;
  readonly unk_token?: string;
  readonly fuse_unk?: boolean;
  /** WordPiece has it. */
  readonly max_input_chars_per_word?: number;
  readonly config?: { readonly continuing_subword_prefix?: string };
  /** Unigram has these. */
  readonly vocab: readonly (string | undefined)[];
  readonly scores?: readonly number[];
  readonly unk_score?: number;
}

/** The part of `Tokenizer` of `@huggingface/tokenizers` that {@link makeLinear} changes. */
export interface LinearizableTokenizer {
  readonly model: LibraryModel;
  normalizer: ((text: string) => string) | null;
}

type Encode = (words: readonly string[]) => string[];

/**
 * WordPiece, each piece the longest that fits (Wu et al., "Google's neural machine translation system", 2016). No
 * substring longer than the longest piece is looked up, so a word takes as many look-ups as it has characters, times
 * that length, instead of the square of its own.
 */
function wordPiece(model: LibraryModel, longestWord: number): Encode {
  const { tokens_to_ids: ids, unk_token: unknown = '[UNK]' } = model;
  const prefix = model.config?.continuing_subword_prefix ?? '';
  let longest = 1;
  for (const piece of ids.keys()) longest = Math.max(longest, [...piece].length);
  const piecesOf = (word: string): string[] => {
    const characters = [...word];
    if (characters.length > longestWord) return [unknown];
    const pieces: string[] = [];
    for (let start = 0; start < characters.length;) {
      const candidate = (end: number): string => (start > 0 ? prefix : '') + characters.slice(start, end).join('');
      let end = Math.min(characters.length, start + longest);
      while (end > start && !ids.has(candidate(end))) end--;
      if (end === start) return [unknown];
      pieces.push(candidate(end));
      start = end;
    }
    return pieces;
  };
  return (words) => words.flatMap(piecesOf);
}

/**
 * Unigram: the pieces whose scores sum highest (Kudo, "Subword regularization", ACL 2018, Viterbi algorithm). Of equal
 * sums the one whose last piece is longest wins; nothing is kept but a score and a start a character.
 * @param partsWords each word by itself, so that sums are rounded as in the reference implementation
 */
function unigram(model: LibraryModel, scores: readonly number[], unknownScore: number, partsWords: boolean): Encode {
  const trie = new PieceTrie();
  model.vocab.forEach((piece, id) => {
    if (piece !== undefined) trie.insert(piece, model.tokens_to_ids.get(piece) ?? id);
  });
  const piecesOf = (word: string): string[] => {
    const characters = [...word];
    const best = new Float64Array(characters.length + 1).fill(-Infinity);
    const starts = new Int32Array(characters.length + 1);
    best[0] = 0;
    const offer = (start: number, end: number, score: number): void => {
      const sum = (best[start] as number) + score;
      if (!(sum > (best[end] as number))) return;
      best[end] = sum;
      starts[end] = start;
    };
    for (let start = 0; start < characters.length; start++) {
      let isKnown = false;
      let node = trie.follow(trie.root, characters[start] as string);
      for (let end = start + 1; node !== undefined; end++) {
        if (node.id !== undefined) {
          offer(start, end, scores[node.id] ?? unknownScore);
          isKnown ||= end === start + 1;
        }
        node = end < characters.length ? trie.follow(node, characters[end] as string) : undefined;
      }
      if (!isKnown) offer(start, start + 1, unknownScore);
    }
    const pieces: string[] = [];
    for (let end = characters.length; end > 0; end = starts[end] as number) {
      pieces.push(characters.slice(starts[end], end).join(''));
    }
    return pieces.reverse();
  };
  return (words) => (partsWords ? words.flatMap((word) => word.split(/(?=\u2581)/)) : words).flatMap(piecesOf);
}

/** Of unknown pieces side by side the first alone; the library joins their texts, which it hashes anew each time. */
function fuseUnknown(pieces: readonly string[], { tokens_to_ids: ids, unk_token_id: unknown }: LibraryModel): string[] {
  const isUnknown = (piece: string | undefined): boolean =>
    piece !== undefined && (ids.get(piece) ?? unknown) === unknown;
  return pieces.filter((piece, i) => !isUnknown(piece) || !isUnknown(pieces[i - 1]));
}

function linearEncode(model: LibraryModel, partsWords: boolean): Encode {
  const { max_input_chars_per_word: longestWord, scores, unk_score: unknownScore } = model;
  if (longestWord !== undefined) return wordPiece(model, longestWord);
  if (scores !== undefined && unknownScore !== undefined) {
    return unigram(model, scores, unknownScore, partsWords);
  }
  return (words) => model.encode(words); // byte pairs are merged through a heap
}

/** Whether a pre-tokenizer of `tokenizer.json` parts words at the mark of a space, which the library leaves out. */
function partsAtSpaces(preTokenizer: unknown): boolean {
  const { type, split, pretokenizers } = (preTokenizer ?? {}) as Readonly<Record<string, unknown>>;
  if (Array.isArray(pretokenizers)) return pretokenizers.some(partsAtSpaces);
  return type === 'Metaspace' && split !== false;
}

/** Whether words are parted here, where the library looks at a text as a whole: equal sums may be rounded otherwise. */
export function isUnigramOfWords({ model }: LinearizableTokenizer, file: unknown): boolean {
  return model.scores !== undefined && partsAtSpaces((file as { readonly pre_tokenizer?: unknown }).pre_tokenizer);
}

/** How much of a text is read; a tokenizer says whether there was more. */
export interface WorkBudget {
  /**
   * UTF-16 units that are read of what normalization makes of a text (or of a part between two special tokens): it may
   * be 18 times as long (U+FDFA).
   */
  units: number;
  /** Set when something was left out. */
  isExceeded: boolean;
}

/**
 * Makes the work of a tokenizer of `@huggingface/tokenizers` (0.2) linear in a text's length, which it is not for words
 * of many unknown characters (their texts are joined one by one), for long words of Unigram models (a list of nodes a
 * character, all arguments of one call) and for words of WordPiece models (each substring is looked up). Ids stay the
 * same, but for ties of Unigram models, which fall as in the reference implementation.
 * @param tokenizer changed in place
 * @param file the parsed `tokenizer.json` that it was made of
 * @param budget looked at, and written to, whenever a text is read
 */
export function makeLinear(tokenizer: LinearizableTokenizer, file: unknown, budget: WorkBudget): void {
  const { model, normalizer } = tokenizer;
  const encode = linearEncode(model, partsAtSpaces((file as { readonly pre_tokenizer?: unknown }).pre_tokenizer));
  model._call = model.fuse_unk === true ? (words) => fuseUnknown(encode(words), model) : encode;
  if (normalizer === null) return;
  tokenizer.normalizer = (text) => {
    const normalized = normalizer(text);
    budget.isExceeded ||= normalized.length > budget.units;
    return headOf(normalized, budget.units);
  };
}

/** Lower-cases a text as Python does, but not the masks that stand in it. */
export function lowerCase(text: string, maskToken: string): string {
  return text
    .split(maskToken)
    .map((part) => part.toLowerCase())
    .join(maskToken);
}
