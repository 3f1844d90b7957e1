/** A word piece with its log-likelihood; the place in the list is its id. */
export type WordPiece = readonly [piece: string, score: number];

const MAXIMUM_CHARACTERS = 4096;
/** Control and reserved symbols in front of the vocabulary. */
const RESERVED = 6;
const UNKNOWN = 0;

/** Cuts texts into the likeliest word pieces, by the recipe of the export's card (SentencePiece's unigram model). */
export class WordPieces {
  private readonly ids = new Map<string, number>();
  private readonly scores: readonly number[];
  private readonly longest: number;

  constructor(
    vocabulary: readonly WordPiece[],
    private readonly length: number,
  ) {
    this.scores = vocabulary.map(([, score]) => score);
    vocabulary.forEach(([piece], id) => void (id >= RESERVED && this.ids.set(piece, id))); // of equal ones the last
    this.longest = Math.max(0, ...Array.from(this.ids.keys(), (piece) => [...piece].length));
  }

  /** Ids of a text, at most the length. */
  cut(text: string): number[] {
    const characters = charactersOf(text);
    const { size, id } = this.bestEnds(characters);
    const ids: number[] = [];
    for (let end = characters.length; end > 0; end -= size[end] as number) {
      const piece = id[end] as number;
      if (piece !== UNKNOWN || ids.at(-1) !== UNKNOWN) ids.push(piece); // a run of unknowns is one
    }
    return ids.reverse().slice(0, this.length);
  }

  /** For each end: size and id of the last piece of the likeliest cut. */
  private bestEnds(characters: readonly string[]): { readonly size: Int32Array; readonly id: Int32Array } {
    const best = new Float64Array(characters.length + 1);
    const size = new Int32Array(characters.length + 1).fill(1);
    const id = new Int32Array(characters.length + 1);
    const offer = (start: number, end: number, piece: number, score: number): void => {
      const total = score + (best[start] as number);
      if (best[end] !== 0 && total < (best[end] as number)) return;
      [best[end], size[end], id[end]] = [total, end - start, piece];
    };
    // every offer from a start is made once all to that start are: in rising start, rising end
    for (let start = 0; start < characters.length; start++) {
      let joined = '';
      let begins = false;
      for (let end = start + 1; end <= Math.min(characters.length, start + this.longest); end++) {
        joined += characters[end - 1] as string;
        const piece = this.ids.get(joined);
        if (piece === undefined) continue;
        begins = true;
        offer(start, end, piece, this.scores[piece] as number);
      }
      if (!begins) offer(start, start + 1, UNKNOWN, 0);
    }
    return { size, id };
  }
}

function charactersOf(text: string): string[] {
  const collapsed = text
    .slice(0, 4 * MAXIMUM_CHARACTERS)
    .replace(/\s+/gu, ' ')
    .trim();
  const normal = [...collapsed].slice(0, MAXIMUM_CHARACTERS).join('').normalize('NFKC');
  return normal === '' ? [] : [...`▁${normal.replaceAll(' ', '▁')}`];
}
