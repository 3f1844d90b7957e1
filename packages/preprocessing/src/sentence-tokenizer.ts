import { PieceTrie } from './piece-trie.js';
import { boundMarks } from './text-bounds.js';

/** Word pieces with their log-likelihoods; the place is the id. */
export type Vocabulary = [string, number][];

/** Word pieces that the model reads of a text; the rest is cut off, as the model itself does. */
export const MAXIMUM_TOKENS = 128;
/** Characters of a text, normalized, that are looked at: twice what 128 word pieces of the longest kind (16) cover. */
export const MAXIMUM_CHARACTERS = 4096;
/** The first ids are no word pieces: unknown, and marks that no text has. */
const RESERVED = 6;
/** SentencePiece's mark of a space. */
const SPACE = '\u2581';
const UNKNOWN = 0;

/** Texts to word piece ids, at most {@link MAXIMUM_TOKENS} each. */
export type Tokenize = (text: string) => readonly number[];

/**
 * The beginning of a text as the model reads it: runs of white space as one space, NFKC, a mark for each space. What
 * NFKC makes of a character may be 18 characters, so the cut comes last.
 */
function tidy(text: string): string {
  const head = text.slice(0, 4 * MAXIMUM_CHARACTERS);
  const normalized = boundMarks(head.replace(/\s+/gu, ' ').trim()).normalize('NFKC');
  const cut = [...normalized.slice(0, 2 * MAXIMUM_CHARACTERS)].slice(0, MAXIMUM_CHARACTERS).join('');
  return cut === '' ? '' : SPACE + cut.replaceAll(' ', SPACE);
}

/**
 * Ids of a text by the Viterbi algorithm over the pieces that begin at each place, as `EncodeAsIds` of SentencePiece
 * does (Kudo, "Subword regularization", ACL 2018), in as many steps as there are characters, times the longest piece. To
 * the letter what `Tokenizer` of `@tensorflow-models/universal-sentence-encoder` 1.3.3 computes, which compares all that
 * follows with each: the last of equal sums wins, and a sum of 0 counts as none.
 */
function encode(trie: PieceTrie, vocabulary: Vocabulary, text: string): number[] {
  const best = new Float64Array(text.length + 1);
  const last = new Int32Array(text.length + 1); // the piece that ends at a place
  const offer = (start: number, end: number, id: number, own: number): void => {
    const score = own + (best[start] as number);
    if (best[end] !== 0 && score < (best[end] as number)) return;
    best[end] = score;
    last[end] = id;
  };
  for (let start = 0; start < text.length; start++) {
    let isKnown = false;
    let node = trie.follow(trie.root, text[start] as string);
    for (let end = start + 1; node !== undefined; end++) {
      if (node.id !== undefined) offer(start, end, node.id, (vocabulary[node.id] as [string, number])[1]);
      isKnown ||= node.id !== undefined;
      node = end < text.length ? trie.follow(node, text[end] as string) : undefined;
    }
    if (!isKnown) offer(start, start + 1, UNKNOWN, 0);
  }
  const ids: number[] = [];
  for (let end = text.length; end > 0;) {
    const id = last[end] as number;
    if (id !== UNKNOWN || ids.at(-1) !== UNKNOWN) ids.push(id);
    end -= (vocabulary[id] as [string, number])[0].length;
  }
  return ids.reverse();
}

/**
 * The SentencePiece tokenizer of Universal Sentence Encoder lite. Pieces beyond 128 are cut off, as are characters
 * beyond {@link MAXIMUM_CHARACTERS}; a run of unknown characters (emoji, say) is one unknown piece; a text without
 * any piece gives none.
 */
export function createTokenizer(vocabulary: Vocabulary): Tokenize {
  const trie = new PieceTrie();
  vocabulary.forEach(([piece], id) => {
    if (id >= RESERVED) trie.insert(piece.split(''), id); // its places are UTF-16 units
  });
  return (text) => encode(trie, vocabulary, tidy(text)).slice(0, MAXIMUM_TOKENS);
}
