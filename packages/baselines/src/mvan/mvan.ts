import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import {
  applyLinear,
  attendWithContext,
  initializeContextAttention,
  initializeLinear,
  mapStates,
  meanState,
  type ContextAttentionParameters,
  type LinearParameters,
  type Sequence,
} from '@drf/layers';
import { named, type Features } from '@drf/tensor';
import { methodOf, predictionOf, type BatchInputs, type ClassWeighted, type Method, type MethodShapes, type Prediction } from '@drf/model'; // prettier-ignore
import { poolPlaces } from '../place-bins.js';
import {
  COMPARED_NEEDS,
  initializeSequences,
  modalitySequence,
  scaledTokens,
  tokenShape,
  type SequenceParameters,
} from '../tokens.js';

/** Sizes of MVAN. */
export interface MvanConfig {
  readonly dim: number;
  /** How often text and image views ask each other's memories. */
  readonly hops: number;
}

type View = 'text' | 'object' | 'scene';
type ByView<Value> = { readonly [Name in View]: Value };

type MvanParameters = SequenceParameters &
  ClassWeighted & {
    readonly trained: {
      readonly sceneProjection: LinearParameters;
      readonly attention: ByView<ContextAttentionParameters>;
      readonly update: ByView<LinearParameters>;
      readonly fusion: LinearParameters;
      readonly classifier: LinearParameters;
    };
  };

/** Places of the scene view: 3 × 3. */
const SCENE_SIDE = 3;

/**
 * MVAN: a multi-view attentional network. Three memories, the text's and two views of the image (objects: the map's
 * places; scene: their averages over large overlapping parts), are read again and again: the image's views guide what is
 * read of the text, the text what is read of each view, and what was read changes the next question. What comes out is
 * stacked, goes through one layer, and is pooled.
 * Source: Yang, Feng, Wang, Zhang, "Image-text multimodal emotion classification via multi-view attentional network"
 * (IEEE Transactions on Multimedia 2020). Deviations: one frozen network's map gives both views, in place of networks
 * trained on objects and on scenes; the text encoder's states stand for a recurrent network's.
 */
export function createMvan(config: MvanConfig, shapes: MethodShapes): Method<MvanParameters> {
  const { dim } = config;
  return methodOf<MvanParameters>('mvan', COMPARED_NEEDS, {
    initialParameters: (random) => {
      const { trained, ...scalings } = initializeSequences(random, shapes, dim);
      return {
        trained: {
          ...trained,
          sceneProjection: initializeLinear(random.fork('sceneProjection'), tokenShape(shapes, 'image').dim, dim),
          attention: byView((view) => initializeContextAttention(random.fork('attention').fork(view), dim, true)),
          update: byView((view) => initializeLinear(random.fork('update').fork(view), dim, dim)),
          fusion: initializeLinear(random.fork('fusion'), dim, dim),
          classifier: initializeLinear(random.fork('classifier'), 2 * dim, shapes.classes),
        },
        ...scalings,
      };
    },
    predict: (parameters, batch) => predict(config, parameters, batch),
  });
}

function byView<Value>(make: (view: View) => Value): ByView<Value> {
  return { text: make('text'), object: make('object'), scene: make('scene') };
}

function predict({ hops }: MvanConfig, parameters: MvanParameters, batch: BatchInputs): Prediction {
  const { fusion, classifier } = parameters.trained;
  const memories: ByView<Sequence> = {
    text: modalitySequence(parameters, 'text', batch.text),
    object: modalitySequence(parameters, 'image', batch.image),
    scene: sceneView(parameters, batch),
  };
  let states: ByView<Features> = byView((view) => meanState(memories[view].states, memories[view].mask));
  const weights: ByView<tf.Tensor>[] = [];
  for (let hop = 0; hop < hops; hop++) {
    const read = readMemories(parameters, memories, states);
    states = read.states;
    weights.push(read.weights);
  }
  const stacked = tf.stack([states.text, states.object, states.scene], 1); // [batch, view, dim]
  const fused = tf.relu(applyLinear(fusion, stacked));
  const pooled = tf.concat([tf.max(fused, 1), tf.mean(fused, 1)], -1); // [batch, 2·dim]
  const logits = classify(classifier, named(pooled, ['batch', 'dim']));
  const attention = byView((view) =>
    tf.stack(
      weights.map((hop) => hop[view]),
      1,
    ),
  ); // [batch, hop, token]
  return predictionOf(logits, { attention });
}

/** One hop: each memory is read under the guidance of the others, and what was read moves the state. */
function readMemories(
  { trained: { attention, update } }: MvanParameters,
  memories: ByView<Sequence>,
  states: ByView<Features>,
): { states: ByView<Features>; weights: ByView<tf.Tensor> } {
  const guides: ByView<tf.Tensor> = {
    text: tf.add(states.text, tf.add(states.object, states.scene)),
    object: tf.add(states.object, states.text),
    scene: tf.add(states.scene, states.text),
  };
  const attended = byView((view) => attendWithContext(attention[view], memories[view], guides[view]));
  return {
    states: byView((view) =>
      named(tf.add(attended[view].pooled, tf.tanh(applyLinear(update[view], states[view]))), ['batch', 'dim']),
    ),
    weights: byView((view) => attended[view].weights),
  };
}

/** The map's places averaged into 3 × 3 overlapping parts, with a projection of their own. [batch, 9, dim] */
function sceneView(parameters: MvanParameters, { image }: BatchInputs): Sequence {
  const parts = poolPlaces(scaledTokens(parameters, 'image', image), SCENE_SIDE);
  return mapStates(parts, (states) => applyLinear(parameters.trained.sceneProjection, states));
}
