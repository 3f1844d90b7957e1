import { contentHash, readSafetensors, writeSafetensors } from '@drf/files';
import { CheckpointError, flattenTree, unflattenTree, type Host, type HostTensor, type HostTree } from '@drf/tensor';
import type { TrainingState } from './training-step.js';

const FORMAT = 'drf-checkpoint';
const VERSION = '1';

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
  /** Shapes and names of the parameters are checked against a fresh model of the same configuration. */
  readonly state: Host<TrainingState>;
  /** The method's memory (queues). */
  readonly memory: HostTree;
  readonly position: TrainingPosition;
  /** Further JSON that the trainer needs to go on, such as the best validation score so far. */
  readonly progress: unknown;
}

/**
 * Writes `checkpoints/step-N.safetensors` whole or not at all.
 * @param isLeftOut parameters that are left out: frozen ones, which the encoder's files hold. Their checksum is kept, so
 *   that they are not taken from other files.
 */
export async function saveCheckpoint(
  path: string,
  checkpoint: Checkpoint,
  isLeftOut: (flatName: string) => boolean = () => false,
): Promise<void> {
  const { parameters, moments } = checkpoint.state;
  const [left, kept] = [true, false].map(
    (out) => new Map([...flattenTree<HostTensor>(parameters as HostTree)].filter(([name]) => isLeftOut(name) === out)),
  ) as [Map<string, HostTensor>, Map<string, HostTensor>];
  const state: HostTree = { parameters: unflattenTree(kept), moments: moments };
  const tensors = flattenTree<HostTensor>({ state, memory: checkpoint.memory });
  await writeSafetensors(path, {
    tensors,
    metadata: {
      format: FORMAT,
      version: VERSION,
      method: checkpoint.method,
      position: JSON.stringify(checkpoint.position),
      progress: JSON.stringify(checkpoint.progress ?? null),
      ...(left.size === 0 ? {} : { leftOut: checksumOf(left) }),
      checksum: checksumOf(tensors),
    },
  });
}

/** What a checkpoint is checked against. */
export interface ExpectedCheckpoint {
  readonly method: string;
  /** Of a fresh model: names and shapes, and the numbers of frozen ones that the file leaves out. */
  readonly parameters: HostTree;
  /** Default: all are, so that nothing may be left out. */
  readonly isTrained?: (flatName: string) => boolean;
}

/**
 * Reads a checkpoint of a given method whose parameters have the names and shapes of the expected ones.
 * @throws CheckpointError naming the file: truncated, damaged, foreign, of another method, of another shape, or over
 *   frozen parameters other than those that it was trained over
 */
export async function loadCheckpoint(path: string, expected: ExpectedCheckpoint): Promise<Checkpoint> {
  const { tensors, metadata } = await readSafetensors(path);
  check(
    path,
    'format',
    `${FORMAT} ${VERSION}`,
    `${metadata.format} ${metadata.version}`,
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
  const { state, memory = {} } = unflattenTree(tensors) as { state: Host<TrainingState>; memory?: HostTree };
  const parameters = completed(path, state.parameters, expected, metadata.leftOut);
  checkShapes(path, parameters, expected.parameters);
  return {
    method: expected.method,
    state: { parameters, moments: state.moments },
    memory,
    position: JSON.parse(metadata.position as string) as TrainingPosition,
    progress: JSON.parse(metadata.progress as string) as unknown,
  };
}

/** A file's parameters with those that it leaves out. */
function completed(path: string, saved: HostTree, expected: ExpectedCheckpoint, leftOut: string | undefined): HostTree {
  if (leftOut === undefined) return saved;
  const { parameters, isTrained = () => true } = expected;
  const kept = flattenTree<HostTensor>(saved);
  const frozen = new Map(
    [...flattenTree<HostTensor>(parameters)].filter(([name]) => !kept.has(name) && !isTrained(name)),
  );
  check(
    path,
    'frozen parameters of checksum',
    leftOut,
    checksumOf(frozen),
    'the encoder’s files are not those that it was trained over, or other layers are trained; bring them back',
  );
  return unflattenTree([...kept, ...frozen]);
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
