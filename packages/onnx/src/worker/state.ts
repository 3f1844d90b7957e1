import * as ort from 'onnxruntime-node';
import type { HostTensor } from '@drf/tensor';
import type { StateLeaf, Wire } from './protocol.js';

const PAGE = 65536;
const VECTOR = 16;
/** What WebAssembly addresses. */
const LARGEST = 2 ** 32;

/** A WebAssembly memory, 4 GiB at most. Arrays that stay lie up to its end, scratch behind it. */
interface Arena {
  readonly memory: WebAssembly.Memory;
  end: number;
}

/** Floats in a memory. */
export interface Place {
  readonly arena: Arena;
  readonly offset: number;
  readonly size: number;
  readonly shape: readonly number[];
}

type Small = ort.TypedTensor<'float32'> | ort.TypedTensor<'int32'>;

/** Not `sizeOf` of `@drf/tensor`, which would bring tfjs into the thread. */
function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, each) => product * each, 1);
}

/** Bytes of so many floats, up to a whole vector. */
function padded(size: number): number {
  return Math.ceil((size * 4) / VECTOR) * VECTOR;
}

function grow({ memory }: Arena, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (bytes > LARGEST) throw new RangeError(`a step's arrays in one memory would take ${bytes} bytes of 4 GiB`);
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
}

/** The floats at a place; void once its memory grows. */
export function view({ arena, offset, size }: Place): Float32Array {
  return new Float32Array(arena.memory.buffer, offset, size);
}

type Numbers = Pick<HostTensor, 'data' | 'shape'>;

/** The same numbers as ONNX Runtime takes them, without a copy. */
export function toOrt({ data, shape }: Numbers): Small {
  return data instanceof Float32Array ? new ort.Tensor('float32', data, shape) : new ort.Tensor('int32', data, shape);
}

function blank({ dtype, shape }: StateLeaf): Small {
  const size = sizeOf(shape);
  return toOrt({ data: dtype === 'float32' ? new Float32Array(size) : new Int32Array(size), shape });
}

/** A name from its last part to its first. */
function backwards(name: string): string {
  return name.split('.').reverse().join('.');
}

/**
 * A step's state. Large float tensors lie in WebAssembly memories, where loops overwrite them in place; the runtime
 * reads them there without a copy. The others have two buffers that are used in turn, one read and one written by the
 * session, so that nothing is allocated from step to step and a step that fails leaves the state as it was.
 */
export class State {
  readonly arenas: Arena[] = [];
  private readonly large = new Map<string, Place>();
  private readonly small = new Map<string, { readonly front: Small; readonly back: Small }>();
  /** Leaves that were added: read and never written. */
  private readonly fixed = new Map<string, ort.Tensor>();
  /** Grows when an array moves, which makes places of scratch void. */
  version = 0;

  /**
   * All zeros at first.
   * @param smallest floats from this size on lie in memories
   * @param memoryBytes of arrays that stay in one memory, unless a single one is larger
   */
  constructor(
    leaves: readonly StateLeaf[],
    smallest: number,
    private readonly memoryBytes: number,
  ) {
    const large: StateLeaf[] = [];
    for (const leaf of leaves) {
      if (leaf.dtype === 'float32' && sizeOf(leaf.shape) >= smallest) large.push(leaf);
      else this.small.set(leaf.name, { front: blank(leaf), back: blank(leaf) });
    }
    // a parameter and its moments have names that end alike; side by side they are likely to share a memory
    large.sort((a, b) => (backwards(a.name) < backwards(b.name) ? -1 : 1));
    for (const { name, shape } of large) this.large.set(name, this.put(shape, this.withRoom(sizeOf(shape))));
    this.commit();
  }

  /** The numbers of a leaf as they lie here. */
  numbers(name: string): HostTensor['data'] {
    const place = this.large.get(name);
    if (place !== undefined) return view(place);
    const small = this.small.get(name);
    if (small === undefined) throw new Error(`no leaf "${name}"`);
    return small.front.data;
  }

  /** Adds a leaf that sessions only read, or replaces it. */
  add(name: string, { data, shape }: Pick<Numbers, 'shape'> & { readonly data: Numbers['data'] | Int8Array }): void {
    const isBytes = data instanceof Int8Array;
    this.fixed.set(name, isBytes ? new ort.Tensor('int8', data, shape) : toOrt({ data, shape }));
  }

  /** Where a large leaf lies. */
  place(name: string): Place {
    const place = this.large.get(name);
    if (place === undefined) throw new Error(`no array "${name}"`);
    return place;
  }

  /** Moves arrays into one memory unless they lie in one. */
  together(names: readonly string[]): void {
    const places = names.map((name) => this.place(name));
    if (new Set(places.map(({ arena }) => arena)).size <= 1) return;
    const target = this.withRoom(places.reduce((sum, { size }) => sum + size, 0));
    const moved = places.map((from) => ({ from, to: this.put(from.shape, target) }));
    this.commit();
    moved.forEach(({ from, to }, i) => {
      view(to).set(view(from));
      this.large.set(names[i] as string, to);
    });
    this.version++;
  }

  /** Makes room behind what stays, in place of the scratch that was asked for last. */
  scratch(
    arrays: readonly { readonly name: string; readonly shape: readonly number[]; readonly arena: Arena }[],
  ): Map<string, Place> {
    const ends = new Map(this.arenas.map((arena) => [arena, arena.end]));
    const places = new Map<string, Place>();
    for (const { name, shape, arena } of arrays) {
      const size = sizeOf(shape);
      const offset = ends.get(arena) ?? arena.end;
      places.set(name, { arena, offset, size, shape });
      ends.set(arena, offset + padded(size));
    }
    ends.forEach((end, arena) => grow(arena, end));
    return places;
  }

  /** What a session reads of the state. */
  feeds(reads: readonly Wire[]): Record<string, ort.Tensor> {
    return Object.fromEntries(
      reads.map(({ leaf, port }) => {
        const place = this.large.get(leaf);
        if (place !== undefined) return [port, toOrt({ data: view(place), shape: place.shape })];
        return [port, this.small.get(leaf)?.front ?? (this.fixed.get(leaf) as ort.Tensor)];
      }),
    );
  }

  /** Where a session writes the small tensors; it makes its own arrays for large ones that no loop writes. */
  fetches(writes: readonly Wire[]): Record<string, ort.Tensor | null> {
    return Object.fromEntries(writes.map(({ leaf, port }) => [port, this.small.get(leaf)?.back ?? null]));
  }

  /** The session has succeeded: what it wrote becomes the state; the rest stays as it is. */
  turn(writes: readonly Wire[], results: ort.InferenceSession.OnnxValueMapType): void {
    for (const { leaf, port } of writes) {
      const small = this.small.get(leaf);
      if (small !== undefined) this.small.set(leaf, { front: small.back, back: small.front });
      else view(this.place(leaf)).set(results[port]?.data as Float32Array);
    }
  }

  /** The last memory if so many floats more fit in, else a new one. */
  private withRoom(size: number): Arena {
    const last = this.arenas.at(-1);
    if (last !== undefined && (last.end === 0 || last.end + padded(size) <= this.memoryBytes)) return last;
    const arena = { memory: new WebAssembly.Memory({ initial: 0 }), end: 0 };
    this.arenas.push(arena);
    return arena;
  }

  /** Takes room for an array that stays; {@link commit} makes it. */
  private put(shape: readonly number[], arena: Arena): Place {
    const place = { arena, offset: arena.end, size: sizeOf(shape), shape };
    arena.end += padded(place.size);
    return place;
  }

  /** Grows the memories to what they hold. */
  private commit(): void {
    for (const arena of this.arenas) grow(arena, arena.end);
  }
}
