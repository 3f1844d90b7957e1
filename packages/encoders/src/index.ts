export {
  type Encoder,
  type EncoderDescription,
  type EncoderSplit,
  type FrozenEncoder,
  type ImageEncoder,
  type TextEncoder,
  type TextReader,
  type TokenFeatures,
  type TokenTensors,
  type TrainableEncoder,
  type TrainableImageEncoder,
  type TrainableTextEncoder,
} from './contract.js';
export { createEmbeddedImageEncoder } from './embedded/image-encoder.js';
export { createEmbeddedTextEncoder } from './embedded/text-encoder.js';
export {
  type CachedEncoder,
  type FeatureCache,
  type FeatureCacheStats,
  featureKey,
  type FeatureStore,
  hashContent,
  openFeatureCache,
  type RowStore,
} from './cache/feature-cache.js';
export {
  type EncodeItem,
  type EncodeOptions as EncodeWithCacheOptions,
  type EncodeProgress,
  encodeWithCache,
} from './cache/encode-with-cache.js';
export {
  HiddenStates,
  type HiddenStatesOptions,
  isParted,
  type PartedEncoder,
  upperEncoder,
  type UpperEncoder,
  type WantedStates,
} from './cache/hidden-states.js';
export {
  createTransformersEncoder,
  type EncoderOf,
  fullEncoderName,
  openEncoder,
  type OpenEncoderOptions,
  openTrainableEncoder,
  type TrainableEncoders,
} from './open-encoder.js';
export { pieceOfRow, TOKEN_LAYOUTS, type TokenLayout, tokenLayoutOf, tokenRowEncoder, tokensOfRow } from './tokens.js';
export { decodeFloat16, encodeFloat16 } from './cache/float16.js';
export { type TransformersDtype, type TransformersEncoderOptions } from './transformers-js/load-model.js';
export type { HuggingFaceOptions, TrainableOptions } from './huggingface/open-model.js';
export { benchmarkEncoder, type EncoderBenchmark } from './benchmark.js';
export {
  applyVit,
  initializeVit,
  resizeVit,
  type VitConfig,
  vitParameters,
  type VitParts,
  vitTensors,
  vitTokens,
} from './models/vit.js';
export {
  applyBert,
  type BertConfig,
  type BertInputs,
  bertParameters,
  type BertParts,
  bertTensors,
  initializeBert,
  longestText,
} from './models/bert.js';
export { parseBertConfig, parseVitConfig } from './models/families.js';
export {
  type ActivationName,
  addLora,
  type Dropout,
  type DropoutRates,
  dropoutSeeds,
  type LoraOptions,
  mergeLora,
  type TransformerOptions,
  type TransformerOutputs,
} from '@drf/layers';
export {
  fetchModel,
  type FetchModelOptions,
  type FetchProgress,
  type ModelFiles,
  PREPROCESSING_FILES,
} from './huggingface/fetch-model.js';
export { loadBert, type LoadedEncoder, loadVit } from './huggingface/load-encoder.js';
export { loadForImages, readTokenizer } from './huggingface/open-model.js';
export { parseImageProcessor, resizedProcessor } from './huggingface/image-processor.js';
export type { Pooling } from './contract.js';
export { type EncoderContext, type EncoderDefinition, type EncoderNeeds, isOwnName } from './own-encoder.js';
