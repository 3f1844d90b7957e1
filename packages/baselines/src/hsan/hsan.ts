import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import {
  attendWithContext,
  initializeContextAttention,
  initializeLinear,
  mapStates,
  type ContextAttentionParameters,
  type LinearParameters,
  type Sequence,
} from '@drf/layers';
import { named, type TensorTree } from '@drf/tensor';
import type { BatchInputs, Method, MethodShapes, Prediction } from '@drf/model';
import { classifyingMethod, toPrediction } from '../finish.js';
import { initializeSequences, modalitySequence } from '../tokens.js';

type HsanParameters = {
  readonly captionAttention: ContextAttentionParameters;
  readonly wordAttention: ContextAttentionParameters;
  readonly sentenceAttention: ContextAttentionParameters;
  readonly classifier: LinearParameters;
};

/**
 * HSAN: a hierarchical semantic attentional network. Words make sentences, sentences make the post, each by attention
 * with context; one of the sentences says what the image shows, and it is part of the context in which the text's words
 * are weighed.
 * Source: Xu, "Analyzing multimodal public sentiment based on hierarchical semantic attentional network" (ISI 2017).
 * Deviations: the image's places and its pooled feature stand for the words of a generated caption; contextual states
 * of the text encoder for those of a recurrent network over word vectors.
 */
export function createHsan(config: { readonly dim: number }, shapes: MethodShapes): Method {
  const { dim } = config;
  return classifyingMethod(
    'hsan',
    (random) => ({
      ...initializeSequences(random, shapes, dim),
      captionAttention: initializeContextAttention(random.fork('captionAttention'), dim, false),
      wordAttention: initializeContextAttention(random.fork('wordAttention'), dim, true),
      sentenceAttention: initializeContextAttention(random.fork('sentenceAttention'), dim, false),
      classifier: initializeLinear(random.fork('classifier'), dim, shapes.classes),
    }),
    predict,
  );
}

function predict(tree: TensorTree, batch: BatchInputs): Prediction {
  const { captionAttention, wordAttention, sentenceAttention, classifier } = tree as HsanParameters;
  // between −1 and 1, as a recurrent network gives them
  const caption = attendWithContext(captionAttention, mapStates(modalitySequence(tree, 'image', batch), tf.tanh));
  const words = mapStates(modalitySequence(tree, 'text', batch), tf.tanh);
  const text = attendWithContext(wordAttention, words, caption.pooled);
  const sentences: Sequence = {
    states: named(tf.stack([text.pooled, caption.pooled], 1), ['batch', 'token', 'dim']), // [batch, 2, dim]
    mask: named(tf.stack([batch.textAvailable, batch.imageAvailable], 1), ['batch', 'token']),
  };
  const post = attendWithContext(sentenceAttention, sentences);
  const logits = classify(classifier, post.pooled);
  return toPrediction(logits, {
    attention: { caption: caption.weights, words: text.weights, sentences: post.weights },
  });
}
