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
import { named } from '@drf/tensor';
import { methodOf, predictionOf, type BatchInputs, type ClassWeighted, type Method, type MethodShapes, type Prediction } from '@drf/model'; // prettier-ignore
import { COMPARED_NEEDS, initializeSequences, modalitySequence, type SequenceParameters } from '../tokens.js';

type HsanParameters = SequenceParameters &
  ClassWeighted & {
    readonly trained: {
      readonly captionAttention: ContextAttentionParameters;
      readonly wordAttention: ContextAttentionParameters;
      readonly sentenceAttention: ContextAttentionParameters;
      readonly classifier: LinearParameters;
    };
  };

/**
 * HSAN: a hierarchical semantic attentional network. Words make sentences, sentences make the post, each by attention
 * with context; one of the sentences says what the image shows, and it is part of the context in which the text's words
 * are weighed.
 * Source: Xu, "Analyzing multimodal public sentiment based on hierarchical semantic attentional network" (ISI 2017).
 * Deviations: the image's places and its pooled feature stand for the words of a generated caption; contextual states
 * of the text encoder for those of a recurrent network over word vectors.
 */
export function createHsan(config: { readonly dim: number }, shapes: MethodShapes): Method<HsanParameters> {
  const { dim } = config;
  return methodOf<HsanParameters>('hsan', COMPARED_NEEDS, {
    initialParameters: (random) => {
      const { trained, ...scalings } = initializeSequences(random, shapes, dim);
      const attention = (name: string, hasQuery = false) =>
        initializeContextAttention(random.fork(name), dim, hasQuery);
      return {
        trained: {
          ...trained,
          captionAttention: attention('captionAttention'),
          wordAttention: attention('wordAttention', true),
          sentenceAttention: attention('sentenceAttention'),
          classifier: initializeLinear(random.fork('classifier'), dim, shapes.classes),
        },
        ...scalings,
      };
    },
    predict,
  });
}

function predict(parameters: HsanParameters, batch: BatchInputs): Prediction {
  const { captionAttention, wordAttention, sentenceAttention, classifier } = parameters.trained;
  // between −1 and 1, as a recurrent network gives them
  const image = mapStates(modalitySequence(parameters, 'image', batch.image), tf.tanh);
  const caption = attendWithContext(captionAttention, image);
  const words = mapStates(modalitySequence(parameters, 'text', batch.text), tf.tanh);
  const text = attendWithContext(wordAttention, words, caption.pooled);
  const sentences: Sequence = {
    states: named(tf.stack([text.pooled, caption.pooled], 1), ['batch', 'token', 'dim']), // [batch, 2, dim]
    mask: named(tf.stack([batch.text.available, batch.image.available], 1), ['batch', 'token']),
  };
  const post = attendWithContext(sentenceAttention, sentences);
  const logits = classify(classifier, post.pooled);
  return predictionOf(logits, {
    attention: { caption: caption.weights, words: text.weights, sentences: post.weights },
  });
}
