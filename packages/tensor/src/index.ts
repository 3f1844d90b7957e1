export {
  CheckpointError,
  ConfigurationError,
  DataError,
  DrfError,
  isDrfError,
  NonFiniteError,
  refuser,
  ShapeMismatchError,
  UnavailableError,
  type ErrorReport,
} from './errors.js';
export {
  assertShape,
  named,
  type ClassScores,
  type ExpectedSize,
  type Features,
  type FeatureVector,
  type Named,
  type NamedHost,
  type PerPair,
  type PerPost,
  type QueueRows,
  type Scalar,
} from './named.js';
export { assertFinite, floatData, hostScalar, hostTensor, sizeOf, type HostDtype, type HostTensor } from './host.js';
export {
  flattenTree,
  mapTree,
  mergeTrees,
  partitionTree,
  unflattenTree,
  withLeaves,
  type Host,
  type HostTree,
  type TensorTree,
  type Tree,
} from './tree.js';
export { RecentMap } from './recent-map.js';
export { mapAhead, untilAborted } from './map-ahead.js';
export { createRandom, philox, restoreRandom, type Random, type RandomState } from './random.js';
export {
  byModality,
  MODALITIES,
  otherModality,
  PAIRS,
  type ByModality,
  type Modality,
  type PairName,
  type Post,
  type RgbImage,
} from './post.js';
export {
  AFTER_KERNEL,
  type DynamicAxisName,
  ENGINE_NAMES,
  EXECUTION_PROVIDERS,
  type Engine,
  type EngineName,
  type ExecutionProvider,
  type PrepareOptions,
  type RunOptions,
  PRODUCT_TYPES,
  type ProductType,
  type Program,
  type PureFunction,
  type PureStep,
  type StepProgram,
} from './engine.js';
export { addOwnDefinition, isOwnId, ownDefinition, ownModules, type OwnDefinition } from './own-definitions.js';
