// A method of one's own: late fusion of two linear heads, one over the image and one over the text.
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import { predictionOf, type MethodDefinition, type MethodParts } from '@drf/model';
import { byModality, named } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';

const options = z.strictObject({
  imageShare: z.number().min(0).max(1).default(0.5).describe('how much the image says where both are there'),
});

/** What training moves: a linear head a modality, [width, classes]. */
interface Heads {
  readonly trained: { readonly image: LinearParameters; readonly text: LinearParameters };
}

export default {
  name: 'late-fusion',
  options,
  create: ({ imageShare }, { imageDim, textDim, classes }): MethodParts<Heads> => ({
    initialParameters: (random) => ({
      trained: {
        image: initializeLinear(random.fork('image'), imageDim, classes),
        text: initializeLinear(random.fork('text'), textDim, classes),
      },
    }),
    predict: ({ trained }, batch) => {
      const share = { image: imageShare, text: 1 - imageShare };
      const { image, text } = byModality((modality) => {
        const { features, available } = batch[modality];
        const isPresent = tf.expandDims(tf.greater(available, 0), 1); // [batch, 1]
        const present = tf.where(isPresent, features, tf.zerosLike(features)); // a missing row may hold anything
        const weight = tf.mul(tf.expandDims(available, 1), share[modality]);
        return { weight, scores: tf.mul(applyLinear(trained[modality], present), weight) }; // [batch, classes]
      });
      const total = tf.maximum(tf.add(image.weight, text.weight), 1e-6);
      return predictionOf(named(tf.div(tf.add(image.scores, text.scores), total), ['batch', 'classes']));
    },
  }),
} satisfies MethodDefinition<typeof options>;
