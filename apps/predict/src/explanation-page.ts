import { escapeHtml, htmlPage, htmlTable } from '@drf/experiment';
import { largestChange, placeOf, type Change, type ExplainedRegion, type Explanation, type JudgeInfo } from '@drf/predict'; // prettier-ignore
import { points, strongestPlaces } from './explain-post.js';

/** An image as a page has it. */
export interface Picture {
  /** A data address. */
  readonly address: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

interface ExplainedPost {
  readonly text: string | null;
  readonly picture: Picture | null;
}

/** Parts weaker than so much of the strongest one are left unmarked. */
const FAINT = 0.1;

/**
 * A page in one file: the text with its words marked, the image under a map of its regions, and all numbers as tables. What
 * speaks for the label and what against it differ by sign, line and color.
 */
export function explanationPage(
  explanation: Explanation,
  { text, picture }: ExplainedPost,
  info: Pick<JudgeInfo, 'name' | 'method'>,
): string {
  const { label, judgment, words, regions, notes } = explanation;
  const share = judgment.probabilities[label] as number;
  const verdict =
    label === judgment.label
      ? `The post is judged <strong>${escapeHtml(label)}</strong> with a probability of ${percentage(share)}`
      : `The post is judged <strong>${escapeHtml(judgment.label)}</strong>; explained is <strong>${escapeHtml(label)}</strong>, with a probability of ${percentage(share)}`; // prettier-ignore
  const body = [
    `<p>${verdict}, by the run <q>${escapeHtml(info.name)}</q>, method ${escapeHtml(info.method)}. Below, each word and each part of the image was left out by itself, and the rest judged again.</p>`, // prettier-ignore
    legend(),
    wholes(explanation),
    text === null ? '' : `<section><h2>Text</h2>\n${markedText(explanation, text)}</section>`,
    picture === null || regions.length === 0 ? '' : `<section><h2>Image</h2>\n${mappedImage(regions, picture)}</section>`, // prettier-ignore
    `<section><h2>What this shows, and what not</h2>${notes.map((note) => `<p>${escapeHtml(note)}</p>`).join('')}</section>`, // prettier-ignore
    '<section><h2>All numbers</h2>',
    words.length === 0 ? '' : details('Words', htmlTable({ caption: 'Words, in the order of the text', head: ['word', ...HEAD], rows: words.map(({ word, change }) => [word, ...cells(change)]) })), // prettier-ignore
    regions.length === 0 ? '' : details('Regions of the image', htmlTable({ caption: 'Regions, row by row', head: ['region', 'place', ...HEAD], rows: regionRows(regions) })), // prettier-ignore
    details('Probabilities', htmlTable({ caption: 'Of the whole post', head: ['class', 'probability'], rows: Object.entries(judgment.probabilities).map(([name, p]) => [name, percentage(p)]) })), // prettier-ignore
    '</section>',
  ];
  return htmlPage(`Why “${label}”`, body.filter((part) => part !== '').join('\n'), { style: STYLE });
}

const HEAD = ['change, points', 'change, log odds'];

function percentage(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function cells({ probability, logOdds }: Change): string[] {
  return [points(probability), `${logOdds < 0 ? '−' : '+'}${Math.abs(logOdds).toFixed(2)}`];
}

function details(name: string, content: string): string {
  return `<details><summary>${name}</summary>${content}</details>`;
}

function legend(): string {
  return `<ul class="legend" aria-label="Legend">
<li><span class="part for" style="--strength:.8">word<sup>+9</sup></span> speaks for the label: without it, its probability is so many points lower</li>
<li><span class="part against" style="--strength:.8">word<sup>−9</sup></span> speaks against it: without it, the probability is higher</li>
<li>The stronger the color and the thicker the line, the larger the change; plain: next to none</li>
</ul>`;
}

function wholes({ modalities }: Explanation): string {
  const parts = (['text', 'image'] as const).flatMap((modality) => {
    const change = modalities[modality];
    return change === null ? [] : [`${points(change.probability)} points by the whole ${modality}`];
  });
  return parts.length === 0 ? '' : `<p>Together: ${parts.join(', ')}.</p>`;
}

/** Class and style of a part, null for what is hardly worth a mark. */
function markOf(
  { probability }: Change,
  largest: number,
): { readonly kind: 'for' | 'against'; readonly strength: string } | null {
  // prettier-ignore
  const strength = largest === 0 ? 0 : Math.abs(probability) / largest;
  if (strength < FAINT || points(probability) === '0.0') return null;
  return { kind: probability < 0 ? 'against' : 'for', strength: strength.toFixed(2) };
}

function markedText({ words }: Explanation, text: string): string {
  const largest = largestChange(words);
  let at = 0;
  const parts: string[] = [];
  for (const { word, start, end, change } of words) {
    parts.push(escapeHtml(text.slice(at, start)));
    at = end;
    const mark = markOf(change, largest);
    if (mark === null) parts.push(escapeHtml(word));
    else parts.push(`<span class="part ${mark.kind}" style="--strength:${mark.strength}">${escapeHtml(word)}<sup>${points(change.probability)}</sup></span>`); // prettier-ignore
  }
  return `<p class="text">${parts.join('')}${escapeHtml(text.slice(at))}</p>`;
}

/** The image as it is, and the same under its regions, each with its change. */
function mappedImage(regions: readonly ExplainedRegion[], { address, width, height }: Picture): string {
  const largest = largestChange(regions);
  const strongest = strongestPlaces(regions);
  const words = strongest.length === 0 ? 'none of them changes anything' : `strongest: ${strongest.join(', ')}`;
  const drawn = regions.map((region) => {
    const { left, top, right, bottom, change } = region;
    const mark = markOf(change, largest);
    const [x, y, w, h] = [left * width, top * height, (right - left) * width, (bottom - top) * height];
    const box = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${w.toFixed(1)}" height="${h.toFixed(1)}"`;
    if (mark === null) return `<rect class="cell" ${box}/>`;
    const size = Math.min(0.34 * w, 0.5 * h).toFixed(1);
    const number = `<text x="${(x + w / 2).toFixed(1)}" y="${(y + h / 2).toFixed(1)}" font-size="${size}">${points(change.probability)}</text>`; // prettier-ignore
    return `<rect class="cell ${mark.kind}" style="--strength:${mark.strength}" ${box}/>${number}`;
  });
  const view = `viewBox="0 0 ${width} ${height}"`;
  const image = `<image href="${escapeHtml(address)}" width="${width}" height="${height}"/>`;
  return `<div class="figures">
<figure><svg class="map" ${view} role="img" aria-label="The image">${image}</svg><figcaption>The image</figcaption></figure>
<figure><svg class="map" ${view} role="img" aria-label="Map of changes; ${words}"><g class="gray">${image}</g><rect class="veil" width="${width}" height="${height}"/>${drawn.join('')}</svg><figcaption>Change in points by each region; ${words}</figcaption></figure>
</div>`;
}

function regionRows(regions: readonly ExplainedRegion[]): string[][] {
  const tops = [...new Set(regions.map(({ top }) => top))];
  const lefts = [...new Set(regions.map(({ left }) => left))];
  return regions.map((region) => {
    const name = `row ${tops.indexOf(region.top) + 1}, column ${lefts.indexOf(region.left) + 1}`;
    return [name, placeOf(region), ...cells(region.change)];
  });
}

const STYLE = `
:root { --for: #2f7fc1; --against: #c2571a; }
@media (prefers-color-scheme: dark) { :root { --for: #5aa5e0; --against: #f09a5b; } }
.part { padding: .05em .2em; border-radius: .2em; border-bottom: calc(1px + 3px * var(--strength)) solid var(--for); background: color-mix(in srgb, var(--for) calc(45% * var(--strength)), transparent); box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.part.against { border-bottom-style: dashed; border-bottom-color: var(--against); background: color-mix(in srgb, var(--against) calc(45% * var(--strength)), transparent); }
sup { white-space: nowrap; font-size: .65em; line-height: 1; margin-left: .15em; font-variant-numeric: tabular-nums; color: var(--ink); }
.text { font-size: 1.2rem; line-height: 2.1; white-space: pre-wrap; }
.legend { list-style: none; padding: 0; color: var(--muted); font-size: .92rem; } .legend .part { color: var(--ink); } .legend li { margin: .45rem 0; }
figure svg.map { min-width: 0; max-width: 32rem; border-radius: .3rem; }
.gray { filter: grayscale(1); } .veil { fill: #fff; opacity: .35; }
.cell { fill: none; stroke: #fff; stroke-opacity: .5; stroke-width: 1; }
.cell.for { fill: #1f6fb2; fill-opacity: calc(.75 * var(--strength)); }
.cell.against { fill: #c2571a; fill-opacity: calc(.75 * var(--strength)); stroke: #7a2f05; stroke-opacity: .9; stroke-width: 2; stroke-dasharray: 6 4; }
.map text { text-anchor: middle; dominant-baseline: central; font-family: system-ui, sans-serif; font-weight: 600; fill: #fff; stroke: #10202e; stroke-width: .18em; paint-order: stroke; }
`;
