import * as tf from '@tensorflow/tfjs';
import { initializeLinear, type LinearParameters } from '@drf/converters';
import { classify } from '@drf/fusion';
import { named, type TensorTree } from '@drf/tensor';
import type { BatchInputs, Method, MethodShapes, Prediction } from '@drf/model';
import { attendWithContext, initializeContextAttention, type ContextAttentionParameters } from '../attention.js';
import { classifyingMethod, toPrediction } from '../finish.js';
import { initializeSequences, modalitySequence, type Sequence } from '../tokens.js';

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
  const caption = attendWithContext(captionAttention, tanhOf(modalitySequence(tree, 'image', batch)));
  const words = tanhOf(modalitySequence(tree, 'text', batch));
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

/** States as a recurrent network gives them, between −1 and 1. */
function tanhOf({ states, mask }: Sequence): Sequence {
  return { states: named(tf.tanh(states), ['batch', 'token', 'dim']), mask };
}
