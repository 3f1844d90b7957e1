import { DataError, hostTensor, sizeOf, unflattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import { readJson } from '@drf/files';

/** A number, or nested arrays of numbers or booleans. */
type Numbers = number | boolean | readonly Numbers[];

export interface AdamWSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly step: number;
}

/** One training step computed elsewhere in double precision. */
export interface GoldenFile {
  readonly path: string;
  /** image, text, imageAvailable, textAvailable, labels, imageQueue, textQueue */
  readonly inputs: { readonly [name: string]: HostTensor };
  /** Kernels are [in, out]. */
  readonly parameters: HostTree;
  /** Every other quantity by its path in the file ("modes.relative.weights"), in double precision. */
  readonly expected: ReadonlyMap<string, readonly number[]>;
  readonly modes: readonly string[];
  readonly adamW: AdamWSettings;
}

const INPUTS = ['image', 'text', 'imageAvailable', 'textAvailable', 'labels', 'imageQueue', 'textQueue'] as const;

/** @throws DataError naming the file and what it lacks. */
export async function readGoldenFile(path: string): Promise<GoldenFile> {
  const content = asRecord(await readJson(path), path);
  const inputs = asRecord(content.inputs, `${path}: "inputs"`);
  const parameters = asRecord(content.params, `${path}: "params"`);
  const modes = asRecord(content.modes, `${path}: "modes"`);
  const expected = new Map<string, readonly number[]>();
  for (const [name, value] of Object.entries(content)) {
    if (!['seed', 'shapes', 'inputs', 'params'].includes(name)) collect(value, name, expected);
  }
  const firstMode = asRecord(Object.values(modes)[0], `${path}: "modes"`);
  return {
    path,
    inputs: Object.fromEntries(
      INPUTS.map((name) => [name, readTensor(inputs[name], `${path}: inputs.${name}`, name === 'labels')]),
    ),
    parameters: unflattenTree(
      Object.entries(parameters).map(([name, value]) => [name, readTensor(value, `${path}: params.${name}`)] as const),
    ),
    expected,
    modes: Object.keys(modes),
    adamW: readAdamW(firstMode.adamw, path),
  };
}

function asRecord(value: unknown, subject: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new DataError({
    subject,
    expected: 'an object',
    received: JSON.stringify(value)?.slice(0, 60) ?? 'nothing',
    remedy: 'give a golden file with inputs, params and modes',
  });
}

function readTensor(value: unknown, subject: string, whole = false): HostTensor {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat = (Array.isArray(value) ? value.flat(Infinity) : [value]) as unknown[];
  const wrong = flat.find((entry) => typeof entry !== 'number' && typeof entry !== 'boolean');
  if (wrong !== undefined || flat.length !== sizeOf(shape) || flat.length === 0) {
    throw new DataError({
      subject,
      expected: 'a rectangular array of numbers',
      received: wrong === undefined ? `${flat.length} numbers in shape [${shape.join(', ')}]` : JSON.stringify(wrong),
    });
  }
  const numbers = flat.map(Number);
  return hostTensor(whole ? Int32Array.from(numbers) : Float32Array.from(numbers), shape);
}

/** Leaves by path; AdamW's settings are no quantities. */
function collect(value: unknown, path: string, into: Map<string, readonly number[]>): void {
  if (typeof value === 'number' || typeof value === 'boolean' || Array.isArray(value)) {
    const setting = /\.adamw\.[^.]+$/.test(path);
    if (!setting) into.set(path, [value as Numbers].flat(Infinity as 1).map(Number));
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, child] of Object.entries(value)) collect(child, `${path}.${name}`, into);
  }
}

function readAdamW(value: unknown, path: string): AdamWSettings {
  const settings = asRecord(value, `${path}: "adamw"`);
  const read = (name: keyof AdamWSettings): number => {
    const setting = settings[name];
    if (typeof setting === 'number' && Number.isFinite(setting)) return setting;
    throw new DataError({ subject: `${path}: adamw.${name}`, expected: 'a number', received: String(setting) });
  };
  return {
    learningRate: read('learningRate'),
    beta1: read('beta1'),
    beta2: read('beta2'),
    epsilon: read('epsilon'),
    weightDecay: read('weightDecay'),
    step: read('step'),
  };
}
