import type { OnnxModel, OnnxNode, OnnxTensor } from './model.js';

/** A place where an operation (or an output) reads a constant, and that constant at each size of an axis. */
export interface ConstantUse {
  readonly node: number;
  readonly input: number;
  readonly tensors: readonly OnnxTensor[];
}

/** Graphs of one function at several sizes of an axis that are the same but for constants and declared shapes. */
export interface AlignedGraphs {
  readonly models: readonly OnnxModel[];
  readonly uses: readonly ConstantUse[];
}

function sameOperation(a: OnnxNode, b: OnnxNode): boolean {
  return (
    a.opType === b.opType &&
    a.input.length === b.input.length &&
    a.output.length === b.output.length &&
    JSON.stringify(a.attribute) === JSON.stringify(b.attribute)
  );
}

/** Names of one graph's values in another's terms. Constants are not in it: each use of one is compared by itself. */
class Renaming {
  private readonly names = new Map<string, string>();

  constructor(model: OnnxModel, other: OnnxModel) {
    model.graph.input.forEach(({ name }, i) => this.names.set(name, other.graph.input[i]?.name ?? ''));
  }

  fits(name: string, other: string): boolean {
    return name === '' ? other === '' : this.names.get(name) === other;
  }

  add(name: string, other: string): void {
    this.names.set(name, other);
  }
}

function constantsOf(model: OnnxModel): Map<string, OnnxTensor> {
  return new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor]));
}

/**
 * Lines up the graphs of one function that was traced at several sizes of an axis, operation by operation.
 * @returns undefined when they differ in more than constants (two sizes that happen to be equal may have merged
 *   operations in one of them; other sizes then help)
 */
export function alignGraphs(models: readonly OnnxModel[]): AlignedGraphs | undefined {
  const [base, ...others] = models as [OnnxModel, ...OnnxModel[]];
  if (others.some(({ graph }) => graph.node.length !== base.graph.node.length)) return undefined;
  const constants = models.map(constantsOf);
  const renamings = others.map((other) => new Renaming(base, other));
  const uses: ConstantUse[] = [];
  for (const [index, node] of base.graph.node.entries()) {
    const counterparts = others.map(({ graph }) => graph.node[index] as OnnxNode);
    if (!counterparts.every((other) => sameOperation(node, other))) return undefined;
    for (const [at, name] of node.input.entries()) {
      const names = [name, ...counterparts.map((other) => other.input[at] as string)];
      const tensors = names.map((each, i) => constants[i]?.get(each));
      if (tensors.every((tensor) => tensor !== undefined)) uses.push({ node: index, input: at, tensors });
      else if (tensors.some((tensor) => tensor !== undefined)) return undefined;
      else if (!renamings.every((renaming, i) => renaming.fits(name, names[i + 1] as string))) return undefined;
    }
    node.output.forEach((name, at) =>
      renamings.forEach((renaming, i) => renaming.add(name, counterparts[i]?.output[at] as string)),
    );
  }
  const outputsAgree = base.graph.output.every(({ name }, at) =>
    renamings.every((renaming, i) => renaming.fits(name, others[i]?.graph.output[at]?.name ?? '')),
  );
  return outputsAgree ? { models, uses } : undefined;
}
