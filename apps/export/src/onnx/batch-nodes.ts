import type { Affine } from './affine.js';
import { int64Tensor, type OnnxAttribute, type OnnxNode, type OnnxTensor } from './model.js';

const PREFIX = 'batch_';

function integer(name: string, i: number): OnnxAttribute {
  return { name, type: 2, i };
}

/**
 * Operations and constants that compute, from the batch size of an input, what a trace at one batch size had as
 * constants. They depend on nothing else, so they come before all other operations.
 */
export class BatchNodes {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  private readonly known = new Map<string, string>();

  /** @param source an input of the graph whose first axis is the batch */
  constructor(private readonly source: string) {}

  /** A constant of the given kind whose name nothing else has. */
  constant(tensor: OnnxTensor): string {
    const name = `${PREFIX}constant_${this.constants.length}`;
    this.constants.push({ ...tensor, name });
    return name;
  }

  integers(numbers: readonly number[]): string {
    return this.once(`integers ${numbers.join()}`, () => this.constant(int64Tensor('', numbers)));
  }

  /** A vector of whole numbers, some of which depend on the batch size. */
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

  /** A constant repeated to a shape that depends on the batch size. */
  expand(tensor: OnnxTensor, shape: readonly Affine[]): string {
    return this.operation('Expand', [this.constant(tensor), this.vector(shape)]);
  }

  /** [1] */
  private number({ offset, slope }: Affine): string {
    return this.once(`number ${offset}+${slope}b`, () => {
      const batch = this.batch();
      const scaled = slope === 1 ? batch : this.operation('Mul', [batch, this.integers([slope])]);
      return offset === 0 ? scaled : this.operation('Add', [scaled, this.integers([offset])]);
    });
  }

  /** The batch size, [1]. */
  private batch(): string {
    return this.once('batch', () => this.operation('Shape', [this.source], [integer('start', 0), integer('end', 1)]));
  }

  private operation(opType: string, input: readonly string[], attribute: readonly OnnxAttribute[] = []): string {
    const name = `${PREFIX}${opType}_${this.nodes.length}`;
    this.nodes.push({ name, opType, input, output: [name], attribute });
    return name;
  }

  private once(key: string, make: () => string): string {
    const name = this.known.get(key) ?? make();
    this.known.set(key, name);
    return name;
  }
}
