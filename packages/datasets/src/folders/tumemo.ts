import { RowError } from '../row-error.js';
import type { FolderLayout, LabelLine } from './layout.js';
import { PLAIN_ID } from './mvsa.js';

/** TumEmo's emotions, in alphabetical order. */
export const EMOTIONS = ['angry', 'bored', 'calm', 'fear', 'happy', 'love', 'sad'] as const;

/** A line of `all_data_id_and_label.txt`: `id Label`. @throws RowError when it has other columns or labels */
export function parseTumEmoLine(subject: string, line: string): LabelLine {
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
