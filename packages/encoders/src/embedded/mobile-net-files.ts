import { contentHash } from '@drf/files';
import type { HostTree } from '@drf/tensor';
import { packageEntryFolder, requireOnce } from '../package-folder.js';
import { decodeGraphWeights, type GraphModelFile, type WeightSpec } from './graph-weights.js';
import { mobileNetParameters } from './mobile-net-parameters.js';

/** A tfjs graph model as files hold it: topology, manifest and joined bytes. */
export interface GraphModelData {
  readonly modelTopology: unknown;
  readonly specs: readonly WeightSpec[];
  readonly bytes: Uint8Array;
}

/** Beside the entry file, which is the CommonJS or the ES module one as the process's conditions have it. */
const FOLDER = '../cjs/models/mobilenet_v2_mid';

/**
 * The MobileNetV2 that the npm package `nsfwjs` ships as base64 modules. Only those modules are loaded, not the
 * library, whose `exports` hide them.
 * @throws UnavailableError when the package is not installed
 */
export function readMobileNetFiles(): GraphModelData {
  const folder = packageEntryFolder('nsfwjs');
  const model = requireOnce(folder, `${FOLDER}/model.min.js`) as GraphModelFile;
  const shards = model.weightsManifest.flatMap((group) => group.paths);
  const bytes = shards.map((shard) =>
    Buffer.from(requireOnce(folder, `${FOLDER}/${shard}.min.js`) as string, 'base64'),
  );
  return {
    modelTopology: model.modelTopology,
    specs: model.weightsManifest.flatMap((group) => group.weights),
    bytes: Buffer.concat(bytes),
  };
}

/** Parameters for {@link mobileNetFeatures} and a short hash of the weights' bytes. */
export function loadMobileNet(): { readonly parameters: HostTree; readonly revision: string } {
  const { specs, bytes } = readMobileNetFiles();
  const parameters = mobileNetParameters(decodeGraphWeights('nsfwjs mobilenet_v2_mid', specs, bytes));
  return { parameters, revision: contentHash(bytes).slice(0, 12) };
}
