import {
  assertShape,
  DataError,
  flattenTree,
  hostTensor,
  unflattenTree,
  type ExpectedSize,
  type HostTensor,
  type HostTree,
} from '@drf/tensor';
import { WEIGHTING_MODES } from '@drf/fusion';
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
  /** By the names that this code has for them. Kernels are [in, out]. */
  readonly parameters: HostTree;
  /** Every other quantity by its path in the file ("modes.relative.weights"), in double precision. */
  readonly expected: ReadonlyMap<string, readonly number[]>;
  readonly modes: readonly string[];
  readonly adamW: AdamWSettings;
}

const layer = (name: string): string[] => [`${name}.kernel`, `${name}.bias`];
/** What every file must hold; projections may come on top. */
const PARAMETERS = [
  'imageToText.hidden',
  'imageToText.output',
  'textToImage.hidden',
  'textToImage.output',
  'fusion.layer1',
  'fusion.layer2',
  'fusion.layer3',
  'classifier',
].flatMap(layer);

const INPUTS = ['image', 'text', 'imageAvailable', 'textAvailable', 'labels', 'imageQueue', 'textQueue'] as const;

/** Files say `imageProjection` for what is `image.projection` here. */
function presentName(name: string): string {
  return name.replace(/^(image|text)Projection(?=\.)/, '$1.projection');
}

/** The inverse of {@link presentName}, of a parameter anywhere in a path. */
export function nameInFile(path: string): string {
  return path.replace(/\b(image|text)\.projection(?=\.)/, '$1Projection');
}

/** @throws DataError naming the file and what it lacks; ShapeMismatchError where inputs do not fit together. */
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
  const golden = {
    path,
    inputs: Object.fromEntries(
      INPUTS.map((name) => [name, readTensor(inputs[name], `${path}: inputs.${name}`, name === 'labels')]),
    ),
    parameters: unflattenTree(
      [...new Set([...PARAMETERS, ...Object.keys(parameters)])].map(
        (name) => [presentName(name), readTensor(parameters[name], `${path}: params.${name}`)] as const,
      ),
    ),
    expected,
    modes: Object.keys(modes),
    adamW: readAdamW(firstMode.adamw, path),
  };
  checkModes(golden);
  checkShapes(golden);
  return golden;
}

function checkModes({ path, modes }: GoldenFile): void {
  const unknown = modes.find((mode) => !(WEIGHTING_MODES as readonly string[]).includes(mode));
  if (unknown === undefined) return;
  throw new DataError({
    subject: `${path}: "modes"`,
    expected: `some of ${WEIGHTING_MODES.join(', ')}`,
    received: `"${unknown}"`,
  });
}

/** One row a post; queues as wide as the features, or as what projections make of them. */
function checkShapes({ path, inputs, parameters }: GoldenFile): void {
  const shapeOf = (name: string): readonly number[] => (inputs[name] as HostTensor).shape;
  const [batch = 0] = shapeOf('labels');
  const [dim = 0] = (flattenTree(parameters).get('classifier.kernel') as HostTensor).shape;
  for (const name of INPUTS) {
    const due: ExpectedSize[] = name.endsWith('Queue')
      ? ['*', dim]
      : name === 'image' || name === 'text'
        ? [batch, name in parameters ? '*' : dim]
        : [batch];
    assertShape(`${path}: inputs.${name}`, { shape: shapeOf(name) }, due, 'posts and widths must agree');
  }
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
  const numbers: number[] = [];
  const fault = gather(value, shape, numbers);
  if (fault !== undefined || numbers.length === 0) {
    throw new DataError({
      subject,
      expected: 'a rectangular array of numbers',
      received: fault ?? 'an empty one',
      remedy: 'repair or remake the file',
    });
  }
  return hostTensor(whole ? Int32Array.from(numbers) : Float32Array.from(numbers), shape);
}

/** Collects the numbers of nested arrays of a given shape. @returns what is wrong, if anything is */
function gather(value: unknown, shape: readonly number[], into: number[]): string | undefined {
  const [size, ...rest] = shape;
  if (size === undefined) {
    if (typeof value !== 'number' && typeof value !== 'boolean')
      return JSON.stringify(value)?.slice(0, 60) ?? 'nothing';
    into.push(Number(value));
    return undefined;
  }
  if (!Array.isArray(value)) return `${JSON.stringify(value)?.slice(0, 60)} where ${size} entries were due`;
  if (value.length !== size) return `${value.length} entries where ${size} were due`;
  for (const entry of value as unknown[]) {
    const fault = gather(entry, rest, into);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Leaves by path; AdamW's settings are no quantities. */
function collect(value: unknown, path: string, into: Map<string, readonly number[]>): void {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || Array.isArray(value)) {
    const setting = /\.adamw\.[^.]+$/.test(path);
    // what is no number becomes NaN, which equals nothing
    if (!setting)
      into.set(
        path,
        [value as Numbers].flat(Infinity as 1).map((x) => (x === null ? NaN : Number(x))),
      );
  } else if (typeof value === 'object') {
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
