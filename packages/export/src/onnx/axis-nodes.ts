import type { Affine } from './affine.js';
import { int64Tensor, type OnnxAttribute, type OnnxNode, type OnnxTensor } from './model.js';

function integer(name: string, i: number): OnnxAttribute {
  return { name, type: 2, i };
}

/** An axis of inputs and outputs whose size differs from call to call: `batch`, axis 0. */
export interface SymbolicAxis {
  readonly name: string;
  readonly axis: number;
}

/**
 * Operations and constants that compute, from the size of an input's axis, what a trace at one size had as constants.
 * They depend on nothing else, so they come before all other operations.
 */
export class AxisNodes {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  private readonly known = new Map<string, string>();

  /** @param source an input of the graph that has the axis */
  constructor(
    private readonly source: string,
    private readonly axis: SymbolicAxis,
  ) {}

  /** A constant of the given kind whose name nothing else has. */
  constant(tensor: OnnxTensor): string {
    const name = `${this.axis.name}_constant_${this.constants.length}`;
    this.constants.push({ ...tensor, name });
    return name;
  }

  integers(numbers: readonly number[]): string {
    return this.once(`integers ${numbers.join()}`, () => this.constant(int64Tensor('', numbers)));
  }

  /** A vector of whole numbers, some of which depend on the size. */
  vector(numbers: readonly Affine[]): string {
    const key = `vector ${numbers.map(({ offset, slope }) => `${offset}+${slope}b`).join()}`;
    return this.once(key, () => {
      const pieces: string[] = [];
      let fixed: number[] = [];
      const flush = (): void => {
        if (fixed.length > 0) pieces.push(this.integers(fixed));
        fixed = [];
      };
      for (const number of numbers) {
        if (number.slope === 0) fixed.push(number.offset);
        else {
          flush();
          pieces.push(this.number(number));
        }
      }
      flush();
      return pieces.length === 1 ? (pieces[0] as string) : this.operation('Concat', pieces, [integer('axis', 0)]);
    });
  }

  /** A constant repeated to a shape that depends on the size. */
  expand(tensor: OnnxTensor, shape: readonly Affine[]): string {
    return this.operation('Expand', [this.constant(tensor), this.vector(shape)]);
  }

  /** [1] */
  private number({ offset, slope }: Affine): string {
    return this.once(`number ${offset}+${slope}b`, () => {
      const size = this.size();
      const scaled = slope === 1 ? size : this.operation('Mul', [size, this.integers([slope])]);
      return offset === 0 ? scaled : this.operation('Add', [scaled, this.integers([offset])]);
    });
  }

  /** The size of the axis, [1]. */
  private size(): string {
    const { axis } = this.axis;
    const place = [integer('start', axis), integer('end', axis + 1)];
    return this.once('size', () => this.operation('Shape', [this.source], place));
  }

  private operation(opType: string, input: readonly string[], attribute: readonly OnnxAttribute[] = []): string {
    const name = `${this.axis.name}_${opType}_${this.nodes.length}`;
    this.nodes.push({ name, opType, input, output: [name], attribute });
    return name;
  }

  private once(key: string, make: () => string): string {
    const name = this.known.get(key) ?? make();
    this.known.set(key, name);
    return name;
  }
}
