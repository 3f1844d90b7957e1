import { CheckpointError } from '@drf/tensor';
import type { Weight } from './weight.js';

type Shape = readonly number[];

/** What a family's files hold beside the encoder. */
export interface FileNames {
  /** Before every name in files of models with a head, such as `bert.`. */
  readonly prefix: string;
  /** Names without the prefix that are known and no part of the encoder: heads, and buffers without parameters. */
  readonly ignored: RegExp;
}

/** Where each weight is in a file. */
export interface ResolvedWeights {
  /** Names in the file by names in the parameter tree. */
  readonly fileNames: ReadonlyMap<string, string>;
  /** Names in the file of what is known to be no part of the encoder. */
  readonly ignored: readonly string[];
}

/** More names than these in one message help nobody. */
const NAMES_SHOWN = 5;

/** A name as transformers writes it today, without the prefix; old files have TensorFlow's names for norms. */
function canonicalName(fileName: string, prefix: string): string {
  const name = fileName.startsWith(prefix) ? fileName.slice(prefix.length) : fileName;
  return name
    .replace(/(LayerNorm|layernorm\w*|_layer_norm)\.gamma$/, '$1.weight')
    .replace(/(LayerNorm|layernorm\w*|_layer_norm)\.beta$/, '$1.bias');
}

/** @throws CheckpointError when two names of a file mean the same */
function byCanonicalName(names: Iterable<string>, prefix: string, subject: string): Map<string, string> {
  const result = new Map<string, string>();
  for (const fileName of names) {
    const name = canonicalName(fileName, prefix);
    const other = result.get(name);
    if (other !== undefined) throw refuse(subject, `one tensor for ${name}`, `"${other}" and "${fileName}"`);
    result.set(name, fileName);
  }
  return result;
}

/** Whether a file has a pooler, with or without the prefix. */
export function hasPooler(names: Iterable<string>, { prefix }: FileNames): boolean {
  return [...names].some((name) => canonicalName(name, prefix) === 'pooler.dense.weight');
}

/**
 * Finds every weight of an encoder among the tensors of a file.
 * @param shapes the file's tensors
 * @param subject the file, as errors name it
 * @throws CheckpointError naming tensors that are missing, of another shape, or unknown
 */
export function resolveWeights(
  shapes: ReadonlyMap<string, Shape>,
  weights: readonly Weight[],
  names: FileNames,
  subject: string,
): ResolvedWeights {
  const present = byCanonicalName(shapes.keys(), names.prefix, subject);
  const missing = weights.filter(({ fileName }) => !present.has(fileName)).map(({ fileName }) => fileName);
  const known = new Set(weights.map(({ fileName }) => fileName));
  const others = [...present].filter(([name]) => !known.has(name));
  const surplus = others.filter(([name]) => !names.ignored.test(name)).map(([, fileName]) => fileName);
  if (missing.length > 0) throw missingError(subject, missing, surplus);
  if (surplus.length > 0) throw surplusError(subject, surplus);
  const fileNames = new Map(weights.map(({ name, fileName }) => [name, present.get(fileName) as string] as const));
  for (const weight of weights) {
    const fileName = fileNames.get(weight.name) as string;
    const shape = shapes.get(fileName) as Shape;
    if (String(shape) !== String(weight.fileShape)) throw shapeError(subject, fileName, weight.fileShape, shape);
  }
  return { fileNames, ignored: others.map(([, fileName]) => fileName) };
}

function listed(names: readonly string[]): string {
  const rest = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  return `${names.slice(0, NAMES_SHOWN).join(', ')}${rest}`;
}

function missingError(subject: string, missing: readonly string[], surplus: readonly string[]): CheckpointError {
  const instead = surplus.length === 0 ? '' : `, but ${listed(surplus)}, which the model has not`;
  return refuse(
    subject,
    `the tensors ${listed(missing)}`,
    `no such tensors${instead}`,
    'check that config.json and the weights belong together and are in the layout of transformers',
  );
}

function surplusError(subject: string, surplus: readonly string[]): CheckpointError {
  const remedy = 'check that config.json and the weights belong together; another number of layers is a common cause';
  return refuse(subject, "only the encoder's tensors and known heads", `also ${listed(surplus)}`, remedy);
}

function shapeError(subject: string, name: string, expected: Shape, received: Shape): CheckpointError {
  const remedy = 'check that config.json and the weights belong together';
  return refuse(subject, `"${name}" with shape [${expected.join(', ')}]`, `[${received.join(', ')}]`, remedy);
}

function refuse(subject: string, expected: string, received: string, remedy?: string): CheckpointError {
  return new CheckpointError({ subject, expected, received, remedy });
}
