export type {
  Encoder,
  EncoderDescription,
  FrozenEncoder,
  ImageEncoder,
  TextEncoder,
  TextReader,
  TokenFeatures,
  TokenTensors,
  TrainableEncoder,
  TrainableImageEncoder,
  TrainableTextEncoder,
} from './contract.js';
export { DEFAULT_MASK_TOKEN } from './contract.js';
export { createEmbeddedImageEncoder, EMBEDDED_IMAGE_SIZE } from './embedded/image-encoder.js';
export { createEmbeddedTextEncoder } from './embedded/text-encoder.js';
export { padTokens } from './embedded/sentence-batch.js';
export type { Vocabulary } from './embedded/sentence-files.js';
export { createTokenizer, type Tokenize } from './embedded/sentence-tokenizer.js';
export { resizeImage, unitPixels, type ResizeKernel } from './images.js';
export { featureKey, hashContent } from './cache/keys.js';
export {
  openFeatureCache,
  type CachedEncoder,
  type FeatureCache,
  type FeatureCacheStats,
} from './cache/feature-cache.js';
export { encodeWithCache, type EncodeOptions, type EncodeProgress } from './cache/encode-with-cache.js';
export type { EncodeItem } from './cache/encode-batch.js';
export type { FeatureStore } from './cache/feature-store.js';
export type { RowStore } from './cache/row-store.js';
export { fullEncoderName } from './encoder-name.js';
export { openEncoder, type EncoderOf, type OpenEncoderOptions } from './open-encoder.js';
export { TOKEN_LAYOUTS, type TokenLayout } from './tokens/layout.js';
export { pieceOfRow, tokensOfRow } from './tokens/token-row.js';
export { tokenLayoutOf, tokenRowEncoder } from './tokens/token-encoder.js';
export { decodeFloat16, encodeFloat16 } from './cache/float16.js';
export { createTransformersEncoder } from './transformers/create.js';
export {
  POOLINGS,
  type Pooling,
  type TransformersDtype,
  type TransformersEncoderOptions,
} from './transformers/options.js';
export { openTrainableEncoder, type TrainableEncoders } from './huggingface/open.js';
export type { HuggingFaceOptions, TrainableOptions } from './huggingface/options.js';
export { benchmarkEncoder, type EncoderBenchmark } from './benchmark.js';
export { parseVitConfig, vitTokens, type VitConfig } from './vit/config.js';
export { initializeVit } from './vit/initialize.js';
export { vitParameters, vitTensors } from './vit/parameters.js';
export { applyVit } from './vit/apply.js';
export type { VitParts } from './vit/weights.js';
export { longestText, parseBertConfig, type BertConfig } from './bert/config.js';
export { initializeBert } from './bert/initialize.js';
export { bertParameters, bertTensors } from './bert/parameters.js';
export { applyBert, type BertInputs } from './bert/apply.js';
export type { BertParts } from './bert/weights.js';
export { ACTIVATION_NAMES, type ActivationName } from '@drf/layers';
export { dropoutSeeds, type Dropout, type DropoutRates } from '@drf/layers';
export { addLora, LORA_TARGETS, mergeLora, type LoraOptions, type LoraTarget } from '@drf/layers';
export type { TransformerOptions, TransformerOutputs } from '@drf/layers';
export { fetchModel, type FetchModelOptions, type FetchProgress, type ModelFiles } from './huggingface/fetch-model.js';
export { PREPROCESSING_FILES } from './huggingface/preprocessing-files.js';
export { loadBert, loadVit, type LoadedEncoder } from './huggingface/load-encoder.js';
