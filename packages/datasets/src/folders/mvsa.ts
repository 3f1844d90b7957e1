import { applyLabelRule, SENTIMENTS, type Annotation, type Sentiment } from '../label-rule.js';
import { RowError } from '../row-error.js';
import type { FolderLayout, LabelLine } from './layout.js';

/** Ids become file names, so they may hold nothing that leads elsewhere. */
export const PLAIN_ID = /^[A-Za-z0-9_-]+$/;

function sentiment(subject: string, text: string | undefined): Sentiment {
  const found = SENTIMENTS.find((name) => name === text?.trim().toLowerCase());
  if (found !== undefined) return found;
  throw new RowError('bad row', {
    subject,
    expected: `a label (${SENTIMENTS.join(', ')})`,
    received: text === undefined ? 'nothing' : JSON.stringify(text),
    remedy: 'correct or remove the line',
  });
}

function annotation(subject: string, cell: string): Annotation {
  const [text, image, ...rest] = cell.split(',');
  if (rest.length > 0) sentiment(subject, cell); // more than two labels: throws with the whole cell
  return { text: sentiment(subject, text), image: sentiment(subject, image) };
}

/**
 * A line of `labelResultAll.txt`: `ID ⇥ text,image`, with as many `text,image` pairs as there were annotators.
 * @throws RowError when it has other columns or labels
 */
export function parseMvsaLine(subject: string, line: string, annotators: number): LabelLine {
  const [id = '', ...cells] = line.trim().split('\t');
  if (!PLAIN_ID.test(id) || cells.length !== annotators) {
    throw new RowError('bad row', {
      subject,
      expected: `an id and ${annotators} tab-separated "text,image" label pair${annotators === 1 ? '' : 's'}`,
      received: JSON.stringify(line.length > 80 ? `${line.slice(0, 77)}...` : line),
      remedy: 'correct or remove the line',
    });
  }
  const label = applyLabelRule(cells.map((cell) => annotation(subject, cell)));
  if (label !== 'no majority label' && label !== 'conflicting labels') return { id, label };
  return { id, dropped: label, detail: `text,image: ${cells.join(' ')}` };
}

/**
 * MVSA-Single and MVSA-Multiple as published: `labelResultAll.txt`, `data/{id}.jpg`, `data/{id}.txt` (in Single
 * GB18030, in Multiple mostly UTF-8).
 * Source: Niu, Zhu, Pang, El Saddik, "Sentiment analysis on multi-view social data" (MMM 2016).
 */
export function mvsaLayout(variant: 'mvsa-single' | 'mvsa-multiple'): FolderLayout {
  const annotators = variant === 'mvsa-single' ? 1 : 3;
  return {
    name: variant,
    classes: SENTIMENTS,
    labelFile: 'labelResultAll.txt',
    imageFolder: 'data',
    textFolders: ['data'],
    encoding: variant === 'mvsa-single' ? 'gb18030' : 'utf-8',
    isHeader: (line) => /^id\b/i.test(line),
    parseLine: (subject, line) => parseMvsaLine(subject, line, annotators),
  };
}
