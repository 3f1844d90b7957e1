import type * as ort from 'onnxruntime-node';
import type { LoopPlan } from './protocol.js';
import { toOrt, view, type Place, type State } from './state.js';

type Call = LoopPlan['calls'][number];

/** The leaves of the state that a call reads or writes. */
function leavesOf({ arrays }: Call): string[] {
  return arrays.flatMap(({ role, name }) => (role === 'state' ? [name] : []));
}

/** The loops that turn a session's results into the next state, in the state's own memories. */
export class Loops {
  private readonly version: number;
  /** Of the session's outputs that loops read. */
  private readonly places: ReadonlyMap<string, Place>;
  private readonly instances: ReadonlyMap<Place['arena'], WebAssembly.Instance>;

  constructor(
    private readonly plan: LoopPlan,
    private readonly state: State,
  ) {
    for (const call of plan.calls) state.together(leavesOf(call));
    this.version = state.version;
    const scratch = plan.calls.flatMap((call) => {
      const { arena } = state.place(leavesOf(call)[0] as string);
      return call.arrays.flatMap(({ role, name }) => (role === 'array' ? [{ name, shape: call.shape, arena }] : []));
    });
    this.places = state.scratch(scratch);
    const module = new WebAssembly.Module(plan.module);
    this.instances = new Map(
      state.arenas.map((arena) => [arena, new WebAssembly.Instance(module, { env: { memory: arena.memory } })]),
    );
  }

  /** Whether the places of the arrays are what they were. */
  fits(state: State): boolean {
    return this.state === state && this.version === state.version;
  }

  /** Where the session writes what the loops read. */
  fetches(): Record<string, ort.Tensor | null> {
    const arrays = [...this.places].map(([name, place]) => [name, toOrt({ data: view(place), shape: place.shape })]);
    const scalars = this.plan.calls.flatMap((call) => call.scalars.map((name) => [name, null]));
    return Object.fromEntries([...arrays, ...scalars]);
  }

  run(results: ort.InferenceSession.OnnxValueMapType): void {
    for (const { function: name, arrays, scalars } of this.plan.calls) {
      const places = arrays.map((array) =>
        array.role === 'state' ? this.state.place(array.name) : (this.places.get(array.name) as Place),
      );
      const [{ arena, size }] = places as [Place];
      const run = this.instances.get(arena)?.exports[name] as (...numbers: number[]) => void;
      const numbers = scalars.map((port) => Number(results[port]?.data[0]));
      run(Math.ceil(size / 4) * 16, ...places.map(({ offset }) => offset), ...numbers);
    }
  }
}
