import { applyLabelRule, SENTIMENTS, type Annotation, type Sentiment } from '../label-rule.js';
import { RowError, type DropReason } from '../ledger.js';

/** Ids become file names, so they may hold nothing that leads elsewhere. */
const PLAIN_ID = /^[A-Za-z0-9_-]+$/;

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
function parseMvsaLine(subject: string, line: string, annotators: number): LabelLine {
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

/** TumEmo's emotions, in alphabetical order. */
export const EMOTIONS = ['angry', 'bored', 'calm', 'fear', 'happy', 'love', 'sad'] as const;

/** A line of `all_data_id_and_label.txt`: `id Label`. @throws RowError when it has other columns or labels */
function parseTumEmoLine(subject: string, line: string): LabelLine {
  const [id = '', label = '', ...rest] = line.trim().split(/\s+/);
  const emotion = EMOTIONS.find((name) => name === label.toLowerCase());
  if (PLAIN_ID.test(id) && emotion !== undefined && rest.length === 0) return { id, label: emotion };
  throw new RowError('bad row', {
    subject,
    expected: `an id and a label (${EMOTIONS.join(', ')})`,
    received: JSON.stringify(line.length > 80 ? `${line.slice(0, 77)}...` : line),
    remedy: 'correct or remove the line',
  });
}

/**
 * TumEmo as published: `all_data_id_and_label.txt`, `all_data/{id}.jpg`, `{id}.txt` in the same folder (or in the root).
 * Source: Yang, Feng, Zhang, Wang, "Image-text multimodal emotion classification via multi-view attentional network"
 * (IEEE Transactions on Multimedia, 2021).
 */
export const tumEmoLayout: FolderLayout = {
  name: 'tumemo',
  classes: EMOTIONS,
  labelFile: 'all_data_id_and_label.txt',
  imageFolder: 'all_data',
  textFolders: ['all_data', '.'],
  encoding: 'utf-8',
  isHeader: (line) => !/\d/.test(line),
  parseLine: parseTumEmoLine,
};

/** What a line of a label file says: a post's label, or that the label rule drops it. */
export type LabelLine =
  | { readonly id: string; readonly label: string }
  | { readonly id: string; readonly dropped: DropReason; readonly detail: string };

/** The published form of a data set: a file of labels and folders with `{id}.jpg` and `{id}.txt`. */
export interface FolderLayout {
  readonly name: string;
  readonly classes: readonly string[];
  readonly labelFile: string;
  readonly imageFolder: string;
  /** Candidates; the first that holds any `.txt` is taken. */
  readonly textFolders: readonly string[];
  /** Of the texts as published, for which the folder's own are looked at first. */
  readonly encoding: 'gb18030' | 'utf-8';
  isHeader(line: string): boolean;
  /** @throws RowError when the line cannot be understood */
  parseLine(subject: string, line: string): LabelLine;
}
