import type { InferenceSession } from 'onnxruntime-node';
import type { HostTensor } from '@drf/tensor';

/** A tensor by its name in a graph. */
export type NamedTensor = HostTensor & { readonly name: string };

/** A leaf of a state, its numbers aside. */
export type StateLeaf = Omit<NamedTensor, 'data'>;

/** A leaf of a state, and what a session's graph calls it among its inputs or outputs. */
export interface Wire {
  readonly leaf: string;
  readonly port: string;
}

/** Loops over arrays: one WebAssembly module, and which of its functions to call with what. */
export interface LoopPlan {
  readonly module: Uint8Array<ArrayBuffer>;
  readonly calls: readonly {
    readonly function: string;
    /** Of every array. */
    readonly shape: readonly number[];
    /** Leaves of the state, which are overwritten in place, and outputs of the session. */
    readonly arrays: readonly { readonly role: 'state' | 'array'; readonly name: string }[];
    /** Outputs of the session with one number each. */
    readonly scalars: readonly string[];
  }[];
}

/** How a session moves a state on. */
export interface StepPlan {
  readonly reads: readonly Wire[];
  readonly writes: readonly Wire[];
  /** What finishes the step after the session. */
  readonly loops?: LoopPlan | undefined;
}

/** What the worker thread is asked. Sessions and states have numbers, which the caller chooses. */
export type Request =
  | {
      readonly kind: 'create';
      readonly session: number;
      readonly model: Uint8Array;
      readonly options: InferenceSession.SessionOptions;
      /** How the session's graph moves a state on, where it is a step's. */
      readonly plan?: StepPlan | undefined;
    }
  | {
      readonly kind: 'run';
      readonly session: number;
      readonly inputs: readonly NamedTensor[];
      readonly outputs: readonly string[];
    }
  | {
      readonly kind: 'step';
      readonly session: number;
      readonly state: number;
      readonly inputs: readonly NamedTensor[];
      readonly outputs: readonly string[];
    }
  | { readonly kind: 'release'; readonly session: number }
  | {
      /** A state of zeros. */
      readonly kind: 'make-state';
      readonly state: number;
      readonly leaves: readonly StateLeaf[];
      /** Floats from this size on lie in memories, where loops can overwrite them. */
      readonly smallest: number;
      /** State in one memory. */
      readonly memoryBytes: number;
    }
  | {
      readonly kind: 'write-leaf';
      readonly state: number;
      readonly name: string;
      readonly offset: number;
      readonly data: HostTensor['data'];
    }
  | {
      readonly kind: 'read-leaf';
      readonly state: number;
      readonly name: string;
      readonly offset: number;
      readonly end: number;
    }
  | {
      /** A leaf beside those that the state was made with, which no session writes. */
      readonly kind: 'add-leaf';
      readonly state: number;
      readonly name: string;
      readonly shape: readonly number[];
      readonly data: HostTensor['data'] | Int8Array;
    }
  | { readonly kind: 'drop-state'; readonly state: number }
  | { readonly kind: 'close' };

/** What a request is answered with: outputs in the order in which they were asked for, numbers, or nothing. */
export type AnswerTo<R extends Request> = R extends { readonly kind: 'run' | 'step' }
  ? readonly HostTensor[]
  : R extends { readonly kind: 'read-leaf' }
    ? HostTensor['data']
    : undefined;

/** The answer to some request. */
export type Answer = AnswerTo<Request>;

/** A request as it travels. */
export type Message = Request & { readonly id: number };

/** What comes back for the request of that number. */
export type Reply = { readonly id: number; readonly answer: Answer } | { readonly id: number; readonly error: Error };
