import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { readJson } from '@drf/files';
import { meanState, placesOf, sumStates, type TransformerOutputs } from '@drf/layers';
import { ConfigurationError, DataError, type Features, named, refuser, type TensorTree } from '@drf/tensor';
import type { Pooling } from '../contract.js';

/** A number below all states, for places of padding. */
const PADDING_STATE = -1e9;
/** Below it a squared length counts as it. */
const SMALLEST_SQUARE = 1e-24;

/** [batch, token] → [batch, 1], at least 1 */
function total(weights: tf.Tensor): tf.Tensor {
  return tf.maximum(tf.sum(weights, 1, true), 1);
}

function firstOf(tokens: tf.Tensor): tf.Tensor {
  const [batch, , dim] = tokens.shape as [number, number, number];
  return tf.reshape(tf.slice(tokens, [0, 0, 0], [batch, 1, dim]), [batch, dim]);
}

/** 1 for the last token of each row, 0 for all others: [batch, token] → the same */
function lastPlaces(mask: tf.Tensor): tf.Tensor {
  const [batch, length] = mask.shape as [number, number];
  const following = tf.concat([tf.slice(mask, [0, 1], [batch, length - 1]), tf.zeros([batch, 1])], 1);
  return tf.mul(mask, tf.sub(1, following));
}

type PoolingOfTokens = Exclude<Pooling, 'pooler' | 'cls_mean'>;

/** [batch, token, dim] and a mask [batch, token] → [batch, dim] */
const POOLINGS: Readonly<Record<PoolingOfTokens, (tokens: tf.Tensor, mask: tf.Tensor) => tf.Tensor>> = {
  cls: firstOf,
  mean: meanState,
  max: (tokens, mask) => tf.max(tf.add(tokens, tf.mul(tf.expandDims(tf.sub(1, mask), -1), PADDING_STATE)), 1),
  mean_sqrt_len: (tokens, mask) => tf.div(sumStates(tokens, mask), tf.sqrt(total(mask))),
  weightedmean: (tokens, mask) => {
    const weights = tf.mul(mask, tf.expandDims(tf.add(placesOf(mask), 1), 0));
    return tf.div(sumStates(tokens, weights), total(weights));
  },
  lasttoken: (tokens, mask) => sumStates(tokens, lastPlaces(mask)),
};

/**
 * The class token, and the mean of the patches behind it: [batch, token, dim] → [batch, 2·dim]
 * @param special tokens before the patches
 */
export function poolClassAndMean(tokens: tf.Tensor, special: number): Features {
  const patches = tf.slice(tokens, [0, special, 0], [-1, -1, -1]);
  const [batch, count] = patches.shape as [number, number, number];
  return named(tf.concat([firstOf(tokens), meanState(patches, tf.ones([batch, count]))], 1), ['batch', 'dim']);
}

/**
 * One feature a row out of a model's outputs.
 * @param mask float32 [batch, token], 1 for tokens
 */
export function poolTokens(
  pooling: Exclude<Pooling, 'cls_mean'>,
  outputs: TransformerOutputs,
  mask: tf.Tensor,
): Features {
  if (pooling === 'pooler') return outputs.pooled as Features;
  return named(POOLINGS[pooling](outputs.tokens, mask), ['batch', 'dim']);
}

/** Features at length 1, as sentence-transformers' `Normalize` makes them. */
export function toUnitLength(features: Features): Features {
  const squares = tf.sum(tf.square(features), 1, true); // → [batch, 1]
  return named(tf.div(features, tf.sqrt(tf.maximum(squares, SMALLEST_SQUARE))), ['batch', 'dim']);
}

/**
 * @param causal whether tokens see only those before them, so that the first one says nothing of a text
 * @throws ConfigurationError when features are to come from a pooler that the model has not, or from the first token of a
 *   causal model
 */
export function assertPooling(
  pooling: Pooling,
  parameters: TensorTree | object,
  subject: string,
  causal = false,
): void {
  const refuseFor = refuser(ConfigurationError, `pooling "${pooling}"`);
  if (pooling === 'cls' && causal) {
    throw refuseFor(
      `tokens that see the whole text, which those of ${subject} do not`,
      'a first token that is the same of every text',
      'choose the pooling "lasttoken" or "mean", or the model\'s own',
    );
  }
  if (pooling !== 'pooler' || 'pooler' in parameters) return;
  const others = causal ? '"lasttoken" or "mean"' : '"mean" or "cls"';
  throw refuseFor(`a pooler in the weights of ${subject}`, 'none', `choose the pooling ${others}`);
}

/** What a folder of sentence-transformers says beside transformers' own files. */
export interface SentenceModules {
  /** How tokens become a feature; undefined where no file says so. */
  readonly pooling?: Pooling;
  /** Features are scaled to length 1. */
  readonly normalizes: boolean;
  /** Where texts are cut, in tokens. */
  readonly maximumTokens?: number;
  /** Texts are lower-cased before the tokenizer. */
  readonly lowercases: boolean;
}

/** Files of a model that say so; a model has some of them. */
export const SENTENCE_FILES = [
  'modules.json',
  'config_sentence_transformers.json',
  'sentence_bert_config.json',
  'sentence_roberta_config.json',
  'sentence_distilbert_config.json',
  'sentence_camembert_config.json',
  'sentence_xlm-roberta_config.json',
  '1_Pooling/config.json',
] as const;

const MAXIMUM_BYTES = 1024 * 1024;
const REMEDY =
  'say how tokens become a feature by --encoders.pooling.text (mean, cls, …): then these modules are not looked at';

/** Keys of a pooling's configuration, and what they are called here. */
const MODES: Readonly<Record<string, Pooling>> = {
  cls_token: 'cls',
  mean_tokens: 'mean',
  max_tokens: 'max',
  mean_sqrt_len_tokens: 'mean_sqrt_len',
  weightedmean_tokens: 'weightedmean',
  lasttoken: 'lasttoken',
};

type Keys = Readonly<Record<string, unknown>>;

/** @returns undefined where there is no such file */
async function readKeys(folder: string, file: string): Promise<Keys | undefined> {
  const path = join(folder, file);
  if (!existsSync(path)) return undefined;
  const value = await readJson(path, MAXIMUM_BYTES);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Keys;
  throw new DataError({ subject: path, expected: 'an object', received: JSON.stringify(value).slice(0, 100) });
}

interface Module {
  /** Last part of its class's name. */
  readonly kind: string;
  readonly path: string;
}

/** @returns the modules of `modules.json` in their order; undefined where there is no such file */
async function readModules(folder: string): Promise<readonly Module[] | undefined> {
  const path = join(folder, 'modules.json');
  if (!existsSync(path)) return undefined;
  const value = await readJson(path, MAXIMUM_BYTES);
  const modules = (Array.isArray(value) ? value : []) as readonly (Keys | null)[];
  const fits = modules.every((each) => typeof each?.['type'] === 'string' && typeof each['path'] === 'string');
  if (!fits || modules.length === 0) {
    const received = JSON.stringify(value)?.slice(0, 100) ?? 'nothing';
    throw new DataError({ subject: path, expected: 'a list of modules with "type" and "path"', received });
  }
  return modules.map((each) => ({
    kind: String(each?.['type']).split('.').at(-1) ?? '',
    path: String(each?.['path']),
  }));
}

function refuse(subject: string, expected: string, received: string): ConfigurationError {
  return new ConfigurationError({ subject, expected, received, remedy: REMEDY });
}

/** @throws ConfigurationError for several modes at once, for none, and for one that is not known */
async function readPooling(folder: string, file: string): Promise<Pooling> {
  const subject = join(folder, file);
  const keys = await readKeys(folder, file);
  if (keys === undefined) throw refuse(subject, 'the configuration of its pooling', 'no such file');
  const named = keys['pooling_mode']; // later versions name it, or several
  const listed = typeof named === 'string' ? [named] : Array.isArray(named) ? named.map(String) : [];
  const flagged = Object.keys(keys)
    .filter((key) => /^pooling_mode_/.test(key) && keys[key] === true)
    .map((key) => key.replace('pooling_mode_', ''));
  const wanted = listed.length > 0 ? listed : flagged;
  const known = wanted.map((mode) => MODES[mode] ?? Object.values(MODES).find((name) => name === mode));
  const [only] = known;
  if (wanted.length === 1 && only !== undefined) return only;
  const expected = `one pooling out of ${Object.values(MODES).join(', ')}`;
  throw refuse(subject, expected, wanted.length === 0 ? 'none' : wanted.join(' with '));
}

/** Pooling and what comes after it; both unknown where there are neither `modules.json` nor `1_Pooling`. */
async function readFeatureModules(folder: string): Promise<Pick<SentenceModules, 'pooling' | 'normalizes'>> {
  const listed = await readModules(folder);
  const hasPooling = existsSync(join(folder, '1_Pooling', 'config.json'));
  if (listed === undefined && !hasPooling) return { normalizes: false };
  const subject = join(folder, 'modules.json');
  const modules = listed ?? [
    { kind: 'Transformer', path: '' },
    { kind: 'Pooling', path: '1_Pooling' },
  ];
  const [first, ...others] = modules;
  if (first?.kind !== 'Transformer') throw refuse(subject, 'a Transformer first', first?.kind ?? 'none');
  const kinds = others.map(({ kind }) => kind).filter((kind) => kind !== 'Dropout'); // for training alone
  const normalizes = kinds.length === 2 && kinds[1] === 'Normalize';
  if (kinds[0] !== 'Pooling' || (kinds.length > 1 && !normalizes)) {
    throw refuse(subject, 'Transformer, Pooling and at most Normalize', modules.map(({ kind }) => kind).join(', '));
  }
  const { path } = others.find(({ kind }) => kind === 'Pooling') as Module;
  if (!/^\w[\w.-]*$/.test(path)) throw refuse(subject, 'the folder of the pooling, in the model', JSON.stringify(path));
  const prompts = await readKeys(folder, 'config_sentence_transformers.json');
  const named = prompts?.['default_prompt_name'] ?? undefined;
  const prompt = named === undefined ? '' : (prompts?.['prompts'] as Keys | null | undefined)?.[String(named)];
  if (prompt !== '') {
    const file = join(folder, 'config_sentence_transformers.json');
    throw refuse(file, 'no default prompt, which is not put before texts here', JSON.stringify(named));
  }
  return { pooling: await readPooling(folder, `${path}/config.json`), normalizes };
}

function wholeFrom(keys: Keys | undefined, key: string, subject: string): number | undefined {
  const value = keys?.[key] ?? undefined;
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 2))
    return value as number | undefined;
  throw new ConfigurationError({ subject, expected: `"${key}" to be a whole number from 2`, received: String(value) });
}

/**
 * Reads how a model of sentence-transformers makes a feature of a text: `modules.json`, the pooling's configuration,
 * `max_seq_length` and `do_lower_case`. A model without these files says nothing.
 * Source: Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019); the package's own `Transformer` and `Pooling`.
 * @param given the pooling that was asked for, if any: the files' own, and what comes after it, are not read then
 * @throws ConfigurationError for modules and poolings that are not built here (Dense, several poolings at once, a prompt
 * before each text), naming the option that goes without them; DataError for a damaged file
 */
export async function readSentenceModules(folder: string, given: Pooling | undefined): Promise<SentenceModules> {
  const file = SENTENCE_FILES.find((name) => /^sentence_/.test(name) && existsSync(join(folder, name)));
  const keys = file === undefined ? undefined : await readKeys(folder, file);
  const maximumTokens = wholeFrom(keys, 'max_seq_length', join(folder, file ?? ''));
  return {
    ...(given === undefined ? await readFeatureModules(folder) : { pooling: given, normalizes: false }),
    lowercases: keys?.['do_lower_case'] === true,
    ...(maximumTokens === undefined ? {} : { maximumTokens }),
  };
}
