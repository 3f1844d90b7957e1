import { ConfigurationError } from '@drf/tensor';
import type { Pooling } from '../transformers/options.js';
import type { TrainableOptions } from './options.js';

const LAYER = /^layers\.(\d+)\./;
const LORA_LEAF = /\.lora(?:Down|Up)$/;
/** What comes after the last layer. */
const AFTER_LAYERS = /^(?:norm|pooler)\./;

/**
 * Which parameters of a transformer get gradients. A pooler that the features are not taken from never does.
 * @param layers how many the model has
 * @throws ConfigurationError when more layers are to be trained than there are
 */
export function trainedParameters(
  layers: number,
  pooling: Pooling,
  { trainableLayers = 'all', lora }: Pick<TrainableOptions, 'trainableLayers' | 'lora'>,
): (flatName: string) => boolean {
  if (lora !== undefined) return (name) => LORA_LEAF.test(name);
  const isUsed = (name: string): boolean => pooling === 'pooler' || !name.startsWith('pooler.');
  if (trainableLayers === 'all') return isUsed;
  if (trainableLayers > layers) {
    throw new ConfigurationError({
      subject: 'Hugging Face encoder, trainableLayers,',
      expected: `at most ${layers}, the layers of the model`,
      received: String(trainableLayers),
      remedy: 'use "all" to train the embeddings, too',
    });
  }
  const first = layers - trainableLayers;
  return (name) => {
    const layer = LAYER.exec(name)?.[1];
    if (layer !== undefined) return Number(layer) >= first;
    return trainableLayers > 0 && AFTER_LAYERS.test(name) && isUsed(name);
  };
}
