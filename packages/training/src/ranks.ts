import { createHash } from 'node:crypto';
import { sumOverRanks, type Collective } from '@drf/collective';
import { decodeSafetensors, encodeSafetensors } from '@drf/files';
import { joinParts, type LossOutputs, type Memory, type TrainingProgram } from '@drf/model';
import { judgedAtOnce, selectPosts, type PostSet } from '@drf/experiment';
import {
  DataError,
  flattenTree,
  hostTensor,
  refuser,
  unflattenTree,
  withLeaves,
  type Host,
  type HostTensor,
  type HostTree,
} from '@drf/tensor';

/** A training in several processes, each of which computes its parts of every step. */
export interface Distributed {
  readonly collective: Collective;
  /** After so many steps each, ranks compare their parameters and memories. Default: 100. */
  readonly checkEvery?: number | undefined;
}

/** What a checkpoint says beside parameters and moments, as every rank has to know it. */
export interface Progress {
  readonly position: unknown;
  readonly progress: unknown;
}

/** What is compared and shared of a training between steps. */
export interface Held {
  readonly program: Pick<TrainingProgram, 'readState' | 'writeState'>;
  readonly memory: Memory;
}

const STEPS_A_CHECK = 100;
const MESSAGE = 'What a rank says';

/** The ranks of a training as its loop sees them: what they exchange, so that each ends every step in the same state. */
export class Ranks {
  private readonly collective: Collective;
  private readonly checkEvery: number;

  constructor({ collective, checkEvery = STEPS_A_CHECK }: Distributed) {
    this.collective = collective;
    this.checkEvery = checkEvery;
  }

  /** Whether this rank writes what the training makes. */
  get isLead(): boolean {
    return this.collective.rank === 0;
  }

  get size(): number {
    return this.collective.size;
  }

  /** The parts of a step that this rank computes: so many at most, in the order of the ranks. */
  ownParts<Part>(parts: readonly Part[], accumulate: number): Part[] {
    const start = this.collective.rank * accumulate;
    return parts.slice(start, start + accumulate);
  }

  /**
   * Outputs of a whole step, from those of the parts that each rank computed.
   * @param posts of each of the step's parts, of all ranks
   * @param wantsStop whether this rank was asked to stop; once one was, all stop after this step
   */
  async joinStep<O extends LossOutputs>(
    own: readonly Host<O>[],
    posts: readonly number[],
    wantsStop: boolean,
  ): Promise<{ readonly outputs: Host<O>; readonly stops: boolean }> {
    const tensors = flattenTree<HostTensor>(Object.fromEntries(own.map((part, i) => [String(i), part as HostTree])));
    const bytes = encodeSafetensors({ tensors, metadata: { stop: String(wantsStop) } });
    const all = (await this.collective.allGather(bytes)).map((each) => decodeSafetensors(each, MESSAGE));
    const parts = all.flatMap((said) => Object.values(unflattenTree(said.tensors))) as HostTree[];
    const outputs = joinParts(parts.map((part) => ({ observations: {}, ...part })), posts) as Host<O>; // prettier-ignore
    return { outputs, stops: all.some(({ metadata }) => metadata.stop === 'true') };
  }

  /** The sum over all ranks of gradients, leaf by leaf. */
  async sum(gradients: HostTree): Promise<HostTree> {
    const leaves = [...flattenTree<HostTensor>(gradients)];
    const sums = await sumOverRanks(this.collective, leaves.map(([, { data }]) => data as Float32Array)); // prettier-ignore
    const summed = leaves.map(([name, { shape }], i) => [name, hostTensor(sums[i] as Float32Array, shape)] as const);
    return withLeaves(gradients, new Map(summed));
  }

  /**
   * Judges a set together: each rank a run of whole batches of it, as one process would make them, so that the numbers
   * are the same.
   * @param judge gives the probabilities of a subset, or that it was interrupted
   * @returns probabilities of all posts, [posts, classes]; or that a rank was interrupted
   */
  async judge(
    set: PostSet,
    judge: (own: PostSet) => Promise<Float32Array | 'interrupted'>,
  ): Promise<Float32Array | 'interrupted'> {
    const { rank, size } = this.collective;
    const atOnce = judgedAtOnce(set);
    const batches = Math.ceil(set.ids.length / atOnce);
    const bound = (of: number): number => Math.min(set.ids.length, Math.floor((of * batches) / size) * atOnce);
    const [start, end] = [bound(rank), rank === size - 1 ? set.ids.length : bound(rank + 1)];
    const places = Array.from({ length: end - start }, (_, i) => start + i);
    const own = places.length === 0 ? new Float32Array(0) : await judge(selectPosts(set, places));
    const isInterrupted = own === 'interrupted';
    const message = { tensors: new Map(isInterrupted ? [] : [['all', hostTensor(own, [own.length])]]), metadata: {} };
    const all = await this.collective.allGather(encodeSafetensors(message));
    const parts = all.map((each) => decodeSafetensors(each, MESSAGE).tensors.get('all')?.data);
    if (parts.includes(undefined)) return 'interrupted';
    const judged = new Float32Array(parts.reduce((sum, part) => sum + (part as Float32Array).length, 0));
    let offset = 0;
    for (const part of parts as Float32Array[]) {
      judged.set(part, offset);
      offset += part.length;
    }
    return judged;
  }

  /**
   * Gives every rank what rank 0 has, where it differs: parameters and moments leaf by leaf, memory, and progress. A run
   * that goes on is read by rank 0 alone, and what processors compute at the start may differ in the last bits.
   */
  async level({ program, memory }: Held, own: Progress): Promise<Progress> {
    const message = encodeSafetensors({
      tensors: flattenTree<HostTensor>(memory.state()),
      metadata: { position: JSON.stringify(own.position), progress: JSON.stringify(own.progress) },
    });
    const { tensors, metadata } = decodeSafetensors(await this.collective.broadcast(message), MESSAGE);
    if (!this.isLead) memory.restore(unflattenTree(tensors));
    const state = await program.readState();
    const leaves = flattenTree<HostTensor>(state);
    const differing = await this.differing(leaves);
    for (const { name } of differing) {
      const { data, shape } = leaves.get(name) as HostTensor;
      const bytes = await this.collective.broadcast(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      const numbers = data instanceof Float32Array ? new Float32Array(bytes.buffer) : new Int32Array(bytes.buffer);
      leaves.set(name, hostTensor(numbers, shape));
    }
    if (differing.length > 0 && !this.isLead) await program.writeState(withLeaves(state, leaves));
    const parse = (text = 'null'): unknown => JSON.parse(text);
    return { position: parse(metadata.position), progress: parse(metadata.progress) };
  }

  /**
   * Compares parameters, moments and memories from time to time.
   * @throws DataError naming the rank and the tensor that differs from that of rank 0
   */
  async check({ program, memory }: Held, step: number): Promise<void> {
    if (step % this.checkEvery !== 0) return;
    const held = { state: await program.readState(), memory: memory.state() };
    const [first] = await this.differing(flattenTree<HostTensor>(held));
    if (first === undefined) return;
    throw refuser(DataError, `Step ${step}, rank ${first.rank}`)(
      `the same ${first.name} as rank 0`,
      'other numbers',
      'go on from the last checkpoint; if it happens again, look for hosts with other processors, libraries or memory errors',
    );
  }

  /** Which leaves are not the same in every rank, and in which rank first. */
  private async differing(
    leaves: ReadonlyMap<string, HostTensor>,
  ): Promise<readonly { readonly name: string; readonly rank: number }[]> {
    const digests = [...leaves.values()].map(({ data }) =>
      createHash('sha256')
        .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        .digest(),
    );
    const [first, ...others] = await this.collective.allGather(Buffer.concat(digests));
    return [...leaves.keys()].flatMap((name, i) => {
      const of = (all: Uint8Array | undefined): Buffer => Buffer.from(all ?? []).subarray(32 * i, 32 * (i + 1));
      const other = others.findIndex((all) => !of(all).equals(of(first)));
      return other < 0 ? [] : [{ name, rank: other + 1 }];
    });
  }
}
