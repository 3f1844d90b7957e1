import type { DisruptionEntry } from '@drf/disruption';
import { encodeSmall } from '@drf/preprocessing';
import { explanationMap, EXPLANATION_STYLE, markedText, pointsOf, type Explanation } from '@drf/judge';
import type { Post, RgbImage } from '@drf/tensor';
import { escapeHtml } from '@drf/terminal';

/** A post as a model met it, and what the model said. */
export interface PostCard {
  readonly id: string;
  /** The cell that it was judged in, as `formatCell` writes it. */
  readonly cell: string;
  readonly truth: string;
  readonly predicted: string;
  /** Of the answer. */
  readonly confidence: number;
  /** As disrupted; null when missing. */
  readonly text: string | null;
  /** WebP as a data address; null when missing. */
  readonly image: string | null;
  /** "intact", "image corrupted (61 %)", "text missing". */
  readonly disruption: string;
  /** Figures, each with its name. */
  readonly rows: readonly (readonly [name: string, value: string])[];
  /** Which words, and which parts of the image, moved the answer; of the whole text, also where {@link text} is cut. */
  readonly explanation?: Explanation;
}

/** Of thumbnails, in pixels. */
const SIDE = 160;
const IMAGE_BYTES = 8_000;
/** Longer texts are cut: a page holds many. */
const TEXT_LENGTH = 400;

/** What can be seen of a post as it was disrupted: its text, cut, and its image, small. */
export async function visiblePost(
  { text, image }: Post,
  entry: DisruptionEntry | undefined,
): Promise<Pick<PostCard, 'text' | 'image' | 'disruption'>> {
  return {
    text:
      text === null
        ? null
        : text.length > TEXT_LENGTH
          ? `${text.slice(0, TEXT_LENGTH).replace(/[\uD800-\uDBFF]$/, '')} …`
          : text,
    image: image === null ? null : await dataAddress(image),
    disruption: disruptionWords(entry),
  };
}

function disruptionWords(entry: DisruptionEntry | undefined): string {
  if (entry === undefined) return 'intact';
  const { modality, operation, fraction, corruption, severity } = entry;
  if (operation === 'discard') return `${modality} missing`;
  if (corruption !== undefined) return `${modality}: ${corruption.replaceAll('_', ' ')} of severity ${severity}`;
  const share = fraction === null ? '' : ` (${(100 * fraction).toFixed(0)} % of it)`;
  return `${modality} corrupted${share}`;
}

async function dataAddress(image: RgbImage): Promise<string> {
  const bytes = await encodeSmall(image, { format: 'webp', side: SIDE, quality: 50, maximumBytes: IMAGE_BYTES });
  return `data:image/webp;base64,${Buffer.from(bytes).toString('base64')}`;
}

/** A post as HTML. @param note what stands small beside its id */
export function postCard({ id, cell, truth, predicted, confidence, text, image, disruption, rows, explanation }: PostCard, note = disruption): string {
  const isRight = truth === predicted;
  const picture =
    image === null
      ? '<div class="missing">no image</div>'
      : `<img src="${image}" alt="Image of post ${escapeHtml(id)}, ${escapeHtml(disruption)}" width="160" height="160">`;
  return [
    `<article data-cell="${escapeHtml(cell)}" data-answer="${isRight ? 'right' : 'wrong'}">`,
    `<h3>${escapeHtml(id)} <span class="quiet">${escapeHtml(note)}</span></h3>`,
    picture,
    ...(explanation === undefined || text === null ? [`<p class="text">${text === null ? '<span class="quiet">no text</span>' : escapeHtml(text)}</p>`] : [explainedText(explanation, text)]),
    ...(explanation === undefined ? [] : [explainedImage(explanation, image)]),
    `<p>Answer: <strong class="${isRight ? 'better' : 'worse'}">${escapeHtml(predicted)}</strong> (${(100 * confidence).toFixed(0)} %); ${isRight ? 'right' : `in truth <strong>${escapeHtml(truth)}</strong>`}</p>`,
    ...(rows.length === 0 ? [] : [`<dl>${rows.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>`]),
    '</article>',
  ].join('\n');
} // prettier-ignore

/** The text with its words marked; where it was cut, those that are left. */
function explainedText({ words }: Explanation, text: string): string {
  return markedText(words.filter(({ end }) => end <= TEXT_LENGTH), text); // prettier-ignore
}

/** The image under its map, and what it and the text do as a whole. */
function explainedImage({ label, regions, modalities }: Explanation, image: string | null): string {
  const wholes = (['text', 'image'] as const).flatMap((modality) => {
    const change = modalities[modality];
    return change === null ? [] : [`the whole ${modality} ${pointsOf(change.probability)}`];
  });
  const line = `Points for “${label}”${wholes.length === 0 ? '' : `: ${wholes.join(', ')}`}`;
  const map = image === null || regions.length === 0 ? '' : explanationMap(regions, { address: image, width: SIDE, height: SIDE }); // prettier-ignore
  return `<figure class="why">${map}<figcaption>${escapeHtml(line)}</figcaption></figure>`;
}

/** Of posts on a page. */
export const POSTS_STYLE = `${EXPLANATION_STYLE}
.posts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; }
section > h3 { margin: 1.8rem 0 .6rem; }
article { background: var(--soft); border-radius: .5rem; padding: .8rem; min-width: 0; overflow-wrap: anywhere; font-size: .92rem; } article[hidden] { display: none; } article p { margin: .5rem 0; }
article img { display: block; width: auto; max-width: 100%; height: 9rem; object-fit: contain; margin: .5rem 0; border-radius: .3rem; } .missing { height: 9rem; margin: .5rem 0; border: 1px dashed var(--muted); border-radius: .3rem; display: grid; place-items: center; color: var(--muted); }
article figure.why { margin: .5rem 0; padding: 0; } .why svg.map { max-width: 18rem; }
article dl { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .1rem .7rem; margin: 0; font-size: .85rem; } article dt { color: var(--muted); } article dd { margin: 0; font-variant-numeric: tabular-nums; text-align: right; }
`;
