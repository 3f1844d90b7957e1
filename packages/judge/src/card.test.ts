import { readFile } from 'node:fs/promises';
import { DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { judgingModel, parseCard, type Card } from './card.js';

/** As version 0.1.0 wrote it. */
const recorded = async (): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(new URL('../fixtures/card.json', import.meta.url), 'utf8')) as Record<string, unknown>;

describe('parseCard', () => {
  it('reads a card that was written before there was a schema', async () => {
    const value = await recorded();
    const card = parseCard('card.json', value);
    expect(card).toMatchObject({ labels: ['positive', 'neutral', 'negative'], method: 'drf', queues: { ready: true } });
    expect([card.run.id, card.run.checkpoint]).toEqual(['my-run', 'step-3.safetensors']);
    expect(card.calibration).toEqual(value['calibration']);
    expect(card.preprocessing.text.examples?.[0]).toEqual({
      text: 'Hello world',
      tokens: expect.any(Array) as number[],
    });
    expect(judgingModel('card.json', card)).toMatchObject({ batch: 'any', side: 224, length: 128, vocabulary: 'vocabulary.json' }); // prettier-ignore
  });

  it.each<[string, object, RegExp]>([
    ['format', { format: 'drf-onnx-2' }, /^card.json expected format drf-onnx-1, received "drf-onnx-2"; export the run again$/],
    ['labels', { labels: ['one', 'one'] }, /damaged one \(labels: a name occurs twice\); restore the folder, or export the run again/],
    ['queues', { queues: {} }, /damaged one \(queues.ready: /],
    ['calibration', { calibration: undefined }, /damaged one \(calibration: nothing\)/],
  ])('refuses one with another %s', async (_, change, message) => {
    const value = { ...(await recorded()), ...change };
    expect(() => parseCard('card.json', value)).toThrow(message);
    expect(() => parseCard('card.json', value)).toThrow(DataError);
  }); // prettier-ignore
});

describe('judgingModel', () => {
  it('refuses inputs without sizes, naming them', async () => {
    const card = parseCard('card.json', await recorded());
    const model = card.files['model.onnx'] as Card['files'][string];
    const inputs = model.inputs.map((input) =>
      input.name === 'tokens' ? { ...input, shape: ['batch', 'any'] } : input,
    );
    const changed = { ...card, files: { 'model.onnx': { ...model, inputs } } };
    expect(() => judgingModel('card.json', changed)).toThrow(
      'card.json expected inputs of known sizes, received tokens of [batch, any]; restore the folder, or export the run again',
    );
  });
});
