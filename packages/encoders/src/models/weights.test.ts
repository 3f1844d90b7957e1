import { describe, expect, it } from 'vitest';
import { flattenTree, hostTensor, type HostTensor, sizeOf } from '@drf/tensor';
import { bertTensors } from './bert.js';
import { parseBertConfig } from './families.js';
import { modelOf, readFixture, readsImages, type Tensors } from '../testing/reference.js';

type Listed = { readonly config: { readonly model_type: string }; readonly tensors: Record<string, number[]> };

const MODELS = (await readFixture('names.json')) as Readonly<Record<string, Listed>>;
const hasTwoTowers = ({ config }: Listed): boolean => ['clip', 'siglip'].includes(config.model_type);

/** Each model with whether its images' or its texts' encoder is looked at; of models with two towers both are. */
const ENCODERS = Object.entries(MODELS).flatMap(([name, model]): (readonly [string, 'image' | 'text'])[] => {
  if (hasTwoTowers(model)) return [[name, 'image'] as const, [name, 'text'] as const];
  return [[name, readsImages(model.config) ? 'image' : 'text'] as const];
});

/** Tensors with numbers that differ from each other. */
function tensorsOf({ tensors }: Listed): Map<string, HostTensor> {
  let next = 0;
  return new Map(
    Object.entries(tensors).map(([name, shape]) => [
      name,
      hostTensor(
        Array.from({ length: sizeOf(shape) }, () => next++),
        shape,
      ),
    ]),
  );
}

function parametersOf({ config }: Listed, tensors: Tensors) {
  return modelOf(config, 'a model').parameters(tensors);
}

describe('names of tensors', () => {
  it.each(ENCODERS)('%s, %s: every tensor is a parameter or a known head', (name, modality) => {
    const model = MODELS[name] as Listed;
    const tensors = tensorsOf(model);
    const encoder = modelOf(model.config, 'a model', modality === 'image');
    const parameters = encoder.parameters(tensors);
    const again = encoder.tensors(parameters);
    const { prefix } = encoder.names;
    for (const [fileName, tensor] of again) {
      expect(tensors.get(fileName) ?? tensors.get(prefix + fileName), fileName).toEqual(tensor);
    }
    const left = [...tensors.keys()].filter((each) => !again.has(each) && !again.has(each.replace(prefix, '')));
    const other = modality === 'image' ? /^text_/ : /^(vision_model|visual_projection)/;
    const expected = hasTwoTowers(model)
      ? left.filter((each) => other.test(each) || /^logit_/.test(each))
      : name.endsWith('Model')
        ? left.filter((each) => each === 'embeddings.mask_token')
        : left.filter((each) => !/\.layers?\./.test(each));
    expect(left).toEqual(expected);
    const leaves = [...flattenTree<HostTensor>(parameters).values()];
    const count = (all: readonly HostTensor[]): number => all.reduce((sum, { data }) => sum + data.length, 0);
    expect(count(leaves)).toBe(count([...again.values()]));
  });

  const BERT = MODELS['BertModel'] as Listed;

  function failure(change: (tensors: Map<string, HostTensor>) => void): string {
    const tensors = tensorsOf(BERT);
    change(tensors);
    try {
      parametersOf(BERT, tensors);
    } catch (error) {
      return (error as Error).message;
    }
    return expect.fail('it was accepted');
  }

  it('may be those of old files, and buffers beside them', () => {
    const tensors = tensorsOf(BERT);
    const old = new Map(
      [...tensors].map(([name, tensor]) => [
        `bert.${name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')}`,
        tensor,
      ]),
    );
    old.set('bert.embeddings.position_ids', hostTensor(Int32Array.of(0), [1, 1]));
    expect(parametersOf(BERT, old)).toEqual(parametersOf(BERT, tensors));
  });

  it('that are missing are named', () => {
    expect(failure((tensors) => tensors.delete('encoder.layer.0.attention.self.key.bias'))).toBe(
      'a model expected the tensors encoder.layer.0.attention.self.key.bias, received no such tensors; check that ' +
        'config.json and the weights belong together and are in the layout of transformers',
    );
    expect(
      failure((tensors) => {
        [...tensors.keys()].forEach((name) => {
          tensors.set(`model.${name}`, tensors.get(name) as HostTensor);
          tensors.delete(name);
        });
      }),
    ).toMatch(
      /and 16 more, received no such tensors, but model\.embeddings\.\S+, .* and 18 more, which the model has not/,
    );
  });

  it('that nothing is known of are named', () => {
    const tensor = hostTensor([0], [1]);
    expect(failure((tensors) => tensors.set('encoder.layer.1.output.dense.bias', tensor))).toBe(
      "a model expected only the encoder's tensors and known heads, received also encoder.layer.1.output.dense.bias; " +
        'check that config.json and the weights belong together; another number of layers is a common cause',
    );
    expect(failure((tensors) => tensors.set('adapter.weight', tensor))).toContain('received also adapter.weight');
  });

  it('of tensors that have another shape are given with both shapes', () => {
    expect(failure((tensors) => tensors.set('pooler.dense.bias', hostTensor([0], [1])))).toBe(
      'a model expected "pooler.dense.bias" with shape [16], received [1]; check that config.json and the weights belong ' +
        'together',
    );
  });

  it('that mean the same are refused', () => {
    expect(failure((tensors) => tensors.set('bert.pooler.dense.bias', hostTensor([0], [1])))).toContain(
      'expected one tensor for pooler.dense.bias, received "pooler.dense.bias" and "bert.pooler.dense.bias"',
    );
  });

  it('of low-rank updates are no names of files', () => {
    const config = parseBertConfig(BERT.config, '');
    const parameters = { ...parametersOf(BERT, tensorsOf(BERT)), loraDown: hostTensor([0], [1]) };
    expect(() => bertTensors(parameters, config)).toThrow('bertTensors expected only');
  });
});
