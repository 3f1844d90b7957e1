import { mapAhead } from '@drf/tensor';
import type { ContentSource, PostRecord } from '../dataset.js';
import type { Ledger } from '../ledger.js';
import type { TextEncoding } from '../text-decoder.js';
import { bytesEvidence, type EncodingEvidence } from '../text-evidence.js';

/** The encoding of a folder's texts: of most of them, and of those that differ by their place in the list. */
export interface FolderEncodings {
  readonly usual: TextEncoding;
  readonly others: ReadonlyMap<number, TextEncoding>;
}

/**
 * Finds out how the texts of a folder are encoded, reading each.
 *
 * A folder that is GB18030 as published (MVSA-Single: of 1,019 texts that are not ASCII two happen to be right UTF-8, and
 * are wrong as that) is so as a whole. Where more than a tenth of such texts are right UTF-8, someone saved them as UTF-8;
 * a single one whose characters have two bytes each does not tell. Otherwise, and in the other data sets, every text is
 * UTF-8 where it can be, else GB18030 or windows-1252, whichever it looks like.
 * @param published how the texts are known to be published; of an unknown folder most of its texts decide
 */
export async function findEncodings(
  texts: readonly Pick<ContentSource, 'bytes'>[],
  published: 'gb18030' | 'utf-8' | 'unknown',
): Promise<FolderEncodings> {
  const others = new Map<number, TextEncoding>();
  let [place, telling, right, certain] = [0, 0, 0, 0];
  for await (const evidence of mapAhead(texts, 32, evidenceOf)) {
    const index = place++;
    if (evidence === null || evidence.isPlain) continue;
    telling++;
    if (evidence.encoding !== 'utf-8') others.set(index, evidence.encoding);
    if (evidence.utf8Faults > 0 || evidence.encoding !== 'utf-8') continue;
    right++;
    if (evidence.utf8LongSequences > 0) certain++;
  }
  const chinese = [...others.values()].filter((encoding) => encoding === 'gb18030').length;
  const isChinese = published === 'gb18030' || (published === 'unknown' && chinese > telling / 2);
  const wasSavedAgain = right > telling / 10 && (right > 1 || certain > 0);
  if (isChinese && !wasSavedAgain) return { usual: 'gb18030', others: new Map() };
  return { usual: 'utf-8', others };
}

/** `null` for a text that cannot be read, which is said when it is asked for. */
async function evidenceOf(text: Pick<ContentSource, 'bytes'>): Promise<EncodingEvidence | null> {
  return text.bytes().then(bytesEvidence, () => null);
}

/** Says in the ledger how texts are read, and which differ. */
export function noteEncodings(
  { usual, others }: FolderEncodings,
  records: readonly PostRecord[],
  ledger: Ledger,
): void {
  ledger.note(`texts are read as ${usual.toUpperCase()} (found out; --dataset.encoding names another)`);
  for (const [index, encoding] of others) {
    ledger.note(`a text that is not UTF-8, read as ${encoding}`, (records[index] as PostRecord).id);
  }
}
