import { describe, expect, it } from 'vitest';
import { cellsByRole, describeColumns, findColumns } from './columns.js';

const roles = (present: string[], named = {}) => Object.fromEntries(findColumns(present, named).holds);

describe('findColumns', () => {
  it('knows common names in any case and spelling', () => {
    expect(roles(['Tweet ID', 'Tweet', 'image_path', 'Sentiment', 'Likes'])).toEqual({
      'Tweet ID': 'id',
      Tweet: 'text',
      image_path: 'image',
      Sentiment: 'label',
    });
    expect(roles(['file-name', 'CAPTION', 'class', 'Subset'])).toEqual({
      'file-name': 'image',
      CAPTION: 'text',
      class: 'label',
      Subset: 'split',
    });
  });

  it('takes the likeliest of several, and our own names first', () => {
    const found = findColumns(['caption', 'text', 'label', 'sentiment']);
    expect(Object.fromEntries(found.holds)).toEqual({ text: 'text', label: 'label' });
    expect(found.unused).toEqual(['caption', 'sentiment']);
  });

  it('follows names that were given, whatever else would fit', () => {
    expect(roles(['text', 'translated', 'label'], { text: 'translated' })).toEqual({
      translated: 'text',
      label: 'label',
    });
    expect(roles(['label', 'mood'], { label: 'mood', text: 'label' })).toEqual({ mood: 'label', label: 'text' });
  });

  it('keeps coded labels apart from names', () => {
    expect(roles(['id', 'text', 'emotion_label'])).toEqual({ id: 'id', text: 'text', emotion_label: 'emotion_label' });
    expect(roles(['emotion_label', 'text'], { label: 'emotion_label' })).toEqual({ emotion_label: 'label', text: 'text' }); // prettier-ignore
  });

  it('says what it made of the names, and renames cells', () => {
    const found = findColumns(['Tweet', 'label', 'likes']);
    expect(describeColumns(found)).toBe('columns: text is "Tweet"');
    expect(describeColumns(findColumns(['text', 'label']))).toBeUndefined();
    expect(cellsByRole({ Tweet: 'a', label: null, likes: 3 }, found)).toEqual({ text: 'a', label: null });
  });
});
