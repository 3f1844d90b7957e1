import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { createRandom, flattenTree, type Engine, type Host, type HostTensor } from '@drf/tensor';
import { evaluate, makeExample, nested, relativeError, upload } from './testing/examples.js';
import { createConcatenation, type BatchInputs, type Method, type MethodParameters } from './index.js';
import { linear, type Layer, type Matrix, type Row } from './testing/reference.js';

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

describe('createConcatenation', () => {
  it.each([
    { imageDim: 4, textDim: 4 },
    { imageDim: 6, textDim: 3 },
  ])('agrees with loops in double precision (widths $imageDim and $textDim)', async (widths) => {
    const { batch, labels, plain } = makeExample({ batch: 6, ...widths });
    const method = createConcatenation({ dim: 4 }, { ...widths, classes: 3 });
    const parameters = method.initialParameters(createRandom(2));
    const flat = flattenTree<HostTensor>(parameters.trained);
    const layer = (name: string): Layer | undefined => {
      const [kernel, bias] = [flat.get(`${name}.kernel`), flat.get(`${name}.bias`)];
      return kernel && bias ? { kernel: nested(kernel) as Matrix, bias: nested(bias) as Row } : undefined;
    };
    const feature = (modality: 'image' | 'text', post: number): Row => {
      const { inputs } = plain;
      if (inputs[`${modality}Available`][post] === 0) return [0, 0, 0, 0];
      const projection = layer(`${modality}.projection`);
      return projection ? linear(projection, inputs[modality][post] as Row) : (inputs[modality][post] as Row);
    };
    const logits = plain.inputs.labels.map((_, post) => {
      const hidden = linear(layer('hidden') as Layer, [...feature('image', post), ...feature('text', post)]);
      return linear(layer('classifier') as Layer, hidden.map((value) => Math.max(0, value))); // prettier-ignore
    });
    const loss =
      logits.reduce((sum, row, post) => {
        const logSum = Math.log(row.reduce((total, logit) => total + Math.exp(logit), 0));
        return sum + logSum - (row[plain.inputs.labels[post] as number] as number);
      }, 0) / logits.length;
    const outputs = await evaluate(engine, { method, parameters, batch, labels }, {});
    expect(relativeError(outputs.get('prediction.logits'), logits.flat())).toBeLessThan(1e-5);
    expect(relativeError(outputs.get('total'), [loss])).toBeLessThan(1e-5);
    expect(outputs.get('parts.classification')).toEqual(outputs.get('total'));
  });

  it('remembers nothing', () => {
    const memory = createConcatenation({ dim: 2 }, { imageDim: 2, textDim: 2, classes: 2 }).createMemory();
    memory.update({});
    expect([memory.inputs(), memory.state()]).toEqual([{}, {}]);
    expect(() => memory.restore({})).not.toThrow();
  });

  it('refuses features and availabilities that do not fit, naming them', () => {
    const method = createConcatenation({ dim: 4 }, { imageDim: 5, textDim: 4, classes: 3 });
    const parameters = method.initialParameters(createRandom(2));
    const predict = (batch: Host<BatchInputs>): unknown =>
      tf.tidy(() => {
        const inputs = upload<BatchInputs>(batch);
        return (method as Method).predict(upload<MethodParameters>(parameters), inputs, {}).logits;
      });
    expect(() => predict(makeExample({ batch: 2, imageDim: 6 }).batch)).toThrow(
      "image features expected [*, 5], received [2, 6]; check the encoder's outputDim",
    );
    const { batch } = makeExample({ batch: 2, imageDim: 5 });
    const { available } = makeExample({ batch: 3 }).batch.text;
    expect(() => predict({ ...batch, text: { ...batch.text, available } })).toThrow(
      'text availability expected [2], received [3]',
    );
  });
});
