import { contentHash, readSafetensors, writeSafetensors } from '@drf/files';
import {
  CheckpointError,
  flattenTree,
  mergeTrees,
  unflattenTree,
  type Host,
  type HostTensor,
  type HostTree,
} from '@drf/tensor';
import type { MethodParameters } from './method.js';
import type { SavedState } from './training-step.js';

const FORMAT = 'drf-checkpoint';
const VERSION = '2';
/** Its parameters had no structure but names: {@link presentNames}. */
const FORMER_VERSION = '1';

/**
 * Methods that once had another's name. What is `drf-adapted` now was called `drf-paper` while that was not the paper's
 * to the letter, and `drf` before there was a better one.
 */
const FORMER_NAMES: ReadonlyMap<string, readonly string[]> = new Map([['drf-adapted', ['drf-paper', 'drf']]]);

/** Where training stands. */
export interface TrainingPosition {
  /** Steps done since the start. */
  readonly step: number;
  /** Epochs done, and steps done of the running one. */
  readonly epoch: number;
  readonly stepInEpoch: number;
}

/** All that it takes to go on as if training had not stopped. */
export interface Checkpoint {
  /** Such as `drf`; a checkpoint of another method is refused. */
  readonly method: string;
  /**
   * Names and shapes of the parameters are checked against a fresh model of the same configuration. Without moments,
   * nothing can go on from it, but posts can be judged.
   */
  readonly state: Pick<Host<SavedState>, 'parameters'> & Partial<Pick<Host<SavedState>, 'moments'>>;
  /** The method's memory (queues). */
  readonly memory: HostTree;
  readonly position: TrainingPosition;
  /** Further JSON that the trainer needs to go on, such as the best validation score so far. */
  readonly progress: unknown;
}

/**
 * Writes `checkpoints/step-N.safetensors` whole or not at all.
 * @param withFrozen whether encoders' fixed parameters are written, which their files hold, too. Left out, their checksum
 *   is kept, so that they are not taken from other files.
 */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint, withFrozen = true): Promise<void> {
  const { parameters, moments } = checkpoint.state;
  const { encoders, ...others } = parameters.fixed ?? {};
  const isLeftOut = !withFrozen && encoders !== undefined;
  const kept = isLeftOut ? { trained: parameters.trained, fixed: others } : parameters;
  const state: HostTree = { parameters: kept, ...(moments === undefined ? {} : { moments }) };
  const tensors = flattenTree<HostTensor>({ state, memory: checkpoint.memory });
  await writeSafetensors(path, {
    tensors,
    metadata: {
      format: FORMAT,
      version: VERSION,
      method: checkpoint.method,
      position: JSON.stringify(checkpoint.position),
      progress: JSON.stringify(checkpoint.progress ?? null),
      ...(isLeftOut ? { leftOut: checksumOf(flattenTree<HostTensor>({ encoders })) } : {}),
      checksum: checksumOf(tensors),
    },
  });
}

/** What a checkpoint is checked against. */
export interface ExpectedCheckpoint {
  readonly method: string;
  /** Of a fresh model: names and shapes, and the numbers of fixed ones that the file leaves out. */
  readonly parameters: Host<MethodParameters>;
}

/**
 * Reads a checkpoint of a given method whose parameters have the names and shapes of the expected ones.
 * @throws CheckpointError naming the file: truncated, damaged, foreign, of another method, of another shape, or over
 *   frozen parameters other than those that it was trained over
 */
export async function loadCheckpoint(path: string, expected: ExpectedCheckpoint): Promise<Checkpoint> {
  const { tensors, metadata } = await readSafetensors(path);
  const isFormer = metadata.version === FORMER_VERSION;
  check(
    path,
    'format',
    `${FORMAT} ${VERSION}`,
    `${metadata.format} ${isFormer ? VERSION : metadata.version}`,
    'name a checkpoint of this program',
  );
  const method = String(metadata.method);
  check(
    path,
    'method',
    expected.method,
    FORMER_NAMES.get(expected.method)?.includes(method) === true ? expected.method : method,
    'evaluate or resume with the configuration of its run',
  );
  check(path, 'checksum', String(metadata.checksum), checksumOf(tensors), 'the file is damaged; use another copy');
  const named = isFormer ? presentNames(tensors, expected.parameters) : tensors;
  const { state, memory = {} } = unflattenTree(named) as { state: Checkpoint['state']; memory?: HostTree };
  const parameters = completed(path, state.parameters, expected.parameters, metadata.leftOut);
  checkShapes(path, parameters, expected.parameters);
  return {
    method: expected.method,
    state: { parameters, ...(state.moments === undefined ? {} : { moments: state.moments }) },
    memory,
    position: JSON.parse(metadata.position as string) as TrainingPosition,
    progress: JSON.parse(metadata.progress as string) as unknown,
  };
}

/** A file's parameters with those that it leaves out: the encoders' fixed ones. */
function completed(
  path: string,
  saved: Host<MethodParameters>,
  { fixed = {} }: Host<MethodParameters>,
  leftOut: string | undefined,
): Host<MethodParameters> {
  if (leftOut === undefined) return saved;
  const encoders: HostTree = fixed.encoders === undefined ? {} : { encoders: fixed.encoders };
  check(
    path,
    'frozen parameters of checksum',
    leftOut,
    checksumOf(flattenTree<HostTensor>(encoders)),
    'the encoder’s files are not those that it was trained over, or other layers are trained; bring them back',
  );
  return { trained: saved.trained, fixed: mergeTrees<HostTensor>(saved.fixed ?? {}, encoders) };
}

/** What a modality's prefix stood before in names of the former version: `imageProjection` is `image.projection` now. */
const FORMER_PREFIX = /^(image|text)(Projection|TokenProjection|Scaling|TokenScaling|Queue|Quality|Pooling|Classifier|Transformer|Graph|ReadsObjects|ReadsScenes)(?=\.)/; // prettier-ignore

/**
 * The tensors of a former checkpoint by their present names: what belongs to a modality stands below it, and parameters
 * that were told apart by their names are trained or fixed as those of a fresh model are.
 */
function presentNames(
  tensors: ReadonlyMap<string, HostTensor>,
  { fixed = {} }: Host<MethodParameters>,
): Map<string, HostTensor> {
  const isFixed = new Set(flattenTree<HostTensor>(fixed).keys());
  const below = (name: string): string =>
    name.replace(FORMER_PREFIX, (_, modality: string, what: string) => `${modality}.${what.charAt(0).toLowerCase()}${what.slice(1)}`); // prettier-ignore
  const renamed = (name: string): string => {
    const [, place, own] = /^(memory\.|state\.parameters\.|state\.moments\.\w+\.)(.+)$/.exec(name) ?? [];
    if (place === undefined || own === undefined) return name;
    const present = below(own);
    if (place !== 'state.parameters.') return place + present;
    return `${place}${isFixed.has(present) ? 'fixed' : 'trained'}.${present}`;
  };
  return new Map([...tensors].map(([name, tensor]) => [renamed(name), tensor]));
}

function check(path: string, what: string, expected: string, received: string, remedy: string): void {
  if (expected === received) return;
  throw new CheckpointError({ subject: `Checkpoint ${path}`, expected: `${what} ${expected}`, received, remedy });
}

function checkShapes(path: string, saved: HostTree, expected: HostTree): void {
  const received = flattenTree<HostTensor>(saved);
  const due = flattenTree<HostTensor>(expected);
  for (const name of new Set([...due.keys(), ...received.keys()])) {
    const want = due.get(name)?.shape.join(', ');
    const got = received.get(name)?.shape.join(', ');
    if (want === got) continue;
    throw new CheckpointError({
      subject: `Checkpoint ${path}, parameter ${name}`,
      expected: want === undefined ? 'no such parameter' : `shape [${want}]`,
      received: got === undefined ? 'none' : `[${got}]`,
      remedy: 'the model was built with another configuration; use that of its run',
    });
  }
}

function checksumOf(tensors: ReadonlyMap<string, HostTensor>): string {
  const parts = [...tensors].flatMap(([name, { data }]) => [
    name,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
  return contentHash(...parts);
}
