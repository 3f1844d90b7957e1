import { PAIRS } from '@drf/fusion';
import type { Judgment } from '@drf/predict';
import { MODALITIES } from '@drf/tensor';
import { formatTable, percent } from '@drf/terminal';
import type { JobCounts } from './finish.js';

/** Classes that a person is shown; `--json` and files have all. */
const SHOWN_CLASSES = 20;

/** A judgment for a person. */
export function judgmentText(judgment: Judgment): string {
  const { label, probabilities, quality, pairWeights, recovered, unfamiliar } = judgment;
  const classes = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const shown = classes.slice(0, SHOWN_CLASSES).map(([name, p]) => [name, percent(p)]);
  const lines = [`Label: ${label}`, '', formatTable(['class', 'probability, %'], shown)];
  if (classes.length > shown.length) lines.push(`and ${classes.length - shown.length} classes less likely`);
  const known = MODALITIES.filter((modality) => quality[modality] !== null);
  if (known.length > 0) {
    lines.push('', 'Quality: the share of posts like those of training that lie farther from the usual');
    lines.push(...known.map((modality) => `  ${modality}: ${percent(quality[modality] as number)} %`));
  }
  if (pairWeights !== null) {
    const named = PAIRS.map((pair) => `${pair} ${percent(pairWeights[pair])} %`);
    lines.push('', `Pairs in the verdict: ${named.join(', ')}`);
  }
  if (recovered !== null) lines.push('', `The ${recovered} was missing; what stands for it was recovered.`);
  if (unfamiliar === true) lines.push('', 'Unlike the training posts: take this verdict with care.');
  return lines.join('\n');
}

/** A finished job for a person. */
export function countsText({ judged, rejected, labels, unfamiliar, seen }: JobCounts): string {
  const share = (count: number): string => percent(judged === 0 ? 0 : count / judged);
  const names = Object.entries(labels);
  const listed = names.length > SHOWN_CLASSES ? names.sort(([, a], [, b]) => b - a).slice(0, SHOWN_CLASSES) : names;
  const table = formatTable(['label', 'posts', '%'], listed.map(([name, count]) => [name, count, share(count)])); // prettier-ignore
  const notes = [`${judged} posts judged`];
  if (listed.length < names.length) notes.push(`the ${listed.length} most frequent of ${names.length} labels`);
  if (unfamiliar > 0) notes.push(`${unfamiliar} of them unlike the training posts`);
  const { train, val } = seen;
  if (train + val > 0) {
    notes.push(`the run was trained on ${train} of them and validated on ${val} (column seen): of new posts, this says little`); // prettier-ignore
  }
  if (rejected > 0) notes.push(`${rejected} rows could not be judged`);
  return `${table}\n${notes.join('; ')}.`;
}
