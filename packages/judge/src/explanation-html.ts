import { escapeHtml } from '@drf/terminal';
import { largestChange, pointsOf, strengthOf, strongestPlaces, textParts, type ExplainedRegion, type ExplainedWord } from './explain-content.js'; // prettier-ignore

/** An image as a page has it. */
export interface Picture {
  /** A data address. */
  readonly address: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

/** What marks mean, for pages that show {@link markedText} or {@link explanationMap}. */
export const EXPLANATION_LEGEND = `<ul class="marks" aria-label="Legend">
<li><span class="part for" style="--strength:.8">word<sup>+9</sup></span> speaks for the label: without it, its probability is so many points lower</li>
<li><span class="part against" style="--strength:.8">word<sup>−9</sup></span> speaks against it: without it, the probability is higher</li>
<li>The stronger the color and the thicker the line, the larger the change; plain: next to none</li>
</ul>`;

/**
 * A text as HTML, its words marked by what they do to the label. What speaks for it and what against it differ by sign,
 * line and color.
 */
export function markedText(words: readonly ExplainedWord[], text: string): string {
  const largest = largestChange(words);
  const parts = textParts(text, words).map(({ text: own, word }) => {
    const strength = word === null ? 0 : strengthOf(word.change, largest);
    if (word === null || strength === 0) return escapeHtml(own);
    return `<span class="part ${markOf(strength)}">${escapeHtml(own)}<sup>${pointsOf(word.change.probability)}</sup></span>`;
  });
  return `<p class="marked">${parts.join('')}</p>`;
}

/** An image as SVG, gray, under a map of its regions, each with its change as {@link markedText} shows those of words. */
export function explanationMap(regions: readonly ExplainedRegion[], { address, width, height }: Picture): string {
  const largest = largestChange(regions);
  const drawn = regions.map((region) => {
    const { left, top, right, bottom, change } = region;
    const strength = strengthOf(change, largest);
    const [x, y, w, h] = [left * width, top * height, (right - left) * width, (bottom - top) * height];
    const box = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${w.toFixed(1)}" height="${h.toFixed(1)}"`;
    if (strength === 0) return `<rect class="cell" ${box}/>`;
    const size = Math.min(0.34 * w, 0.5 * h).toFixed(1);
    const number = `<text x="${(x + w / 2).toFixed(1)}" y="${(y + h / 2).toFixed(1)}" font-size="${size}">${pointsOf(change.probability)}</text>`; // prettier-ignore
    return `<rect class="cell ${markOf(strength)}" ${box}/>${number}`;
  });
  const image = `<image href="${escapeHtml(address)}" width="${width}" height="${height}" preserveAspectRatio="none"/>`;
  const name = escapeHtml(`Map of changes; strongest: ${strongestPlaces(regions)}`);
  return `<svg class="map" viewBox="0 0 ${width} ${height}" role="img" aria-label="${name}"><g class="gray">${image}</g><rect class="veil" width="${width}" height="${height}"/>${drawn.join('')}</svg>`;
}

/** The class of a mark, and how strong it is. */
function markOf(strength: number): string {
  return `${strength < 0 ? 'against' : 'for'}" style="--strength:${Math.abs(strength).toFixed(2)}`;
}

/** Of all of these. Pages bring the colors `--ink` and `--muted`. */
export const EXPLANATION_STYLE = `
:root { --for: #2f7fc1; --against: #c2571a; }
@media (prefers-color-scheme: dark) { :root { --for: #5aa5e0; --against: #f09a5b; } }
.part { padding: .05em .2em; border-radius: .2em; border-bottom: calc(1px + 3px * var(--strength)) solid var(--for); background: color-mix(in srgb, var(--for) calc(45% * var(--strength)), transparent); color: var(--ink); box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.part.against { border-bottom-style: dashed; border-bottom-color: var(--against); background: color-mix(in srgb, var(--against) calc(45% * var(--strength)), transparent); }
.part sup { white-space: nowrap; font-size: .7em; line-height: 1; margin-left: .15em; font-variant-numeric: tabular-nums; }
.marked { line-height: 2.1; white-space: pre-wrap; overflow-wrap: anywhere; }
.marks { list-style: none; padding: 0; color: var(--muted); font-size: .92rem; } .marks li { margin: .45rem 0; }
svg.map, figure svg.map { display: block; width: 100%; min-width: 0; max-width: none; height: auto; border-radius: .3rem; }
.map .gray { filter: grayscale(1); } .map .veil { fill: #fff; opacity: .35; }
.map .cell { fill: none; stroke: #fff; stroke-opacity: .5; stroke-width: 1; vector-effect: non-scaling-stroke; }
.map .for { fill: #1f6fb2; fill-opacity: calc(.75 * var(--strength)); }
.map .against { fill: #c2571a; fill-opacity: calc(.75 * var(--strength)); stroke: #7a2f05; stroke-opacity: .9; stroke-width: 2; stroke-dasharray: 6 4; }
.map text { text-anchor: middle; dominant-baseline: central; font-family: system-ui, sans-serif; font-weight: 600; fill: #fff; stroke: #10202e; stroke-width: .18em; paint-order: stroke; }
`;
