import type { WordPiece } from '../embedded-packages.js';

/**
 * Word pieces by the recipe of the card, written from its words alone: what another program would do.
 * @param vocabulary [piece, score], the place being the id
 */
export function tokenizeByCard(text: string, vocabulary: readonly WordPiece[], length: number): number[] {
  const ids = new Map(vocabulary.map(([piece], id) => [piece, id] as const).filter(([, id]) => id >= 6));
  const tidy = [...text.slice(0, 16_384).replace(/\s+/gu, ' ').trim()].slice(0, 4096).join('');
  const normal = tidy.normalize('NFKC');
  const characters = normal === '' ? [] : [...`▁${normal.replaceAll(' ', '▁')}`];
  const best = Array<number>(characters.length + 1).fill(0);
  const chosen = Array.from({ length: characters.length + 1 }, () => ({ id: 0, size: 1 }));
  const at = (start: number, end: number): number | undefined => ids.get(characters.slice(start, end).join(''));
  const begins = characters.map((_, start) =>
    Array.from({ length: 40 }, (_, i) => start + 1 + i).some((end) => at(start, end) !== undefined),
  );
  for (let end = 0; end <= characters.length; end++) {
    for (let start = Math.max(0, end - 40); start < end; start++) {
      const isUnknown = !begins[start] && end === start + 1;
      const id = isUnknown ? 0 : at(start, end);
      if (id === undefined) continue;
      const score = (isUnknown ? 0 : (vocabulary[id]?.[1] as number)) + (best[start] as number);
      if (best[end] !== 0 && score < (best[end] as number)) continue;
      best[end] = score;
      chosen[end] = { id, size: end - start };
    }
  }
  const pieces: number[] = [];
  for (let end = characters.length; end > 0;) {
    const { id, size } = chosen[end] as { id: number; size: number };
    if (id !== 0 || pieces[0] !== 0) pieces.unshift(id);
    end -= size;
  }
  return pieces.slice(0, length);
}
