import { ConfigurationError, flattenTree, ShapeMismatchError, type Tree } from '@drf/tensor';

interface Described {
  readonly shape: readonly number[];
  readonly dtype: string;
}

function describe(leaf: Described | undefined): string {
  return leaf === undefined ? 'nothing' : `${leaf.dtype} [${leaf.shape.join(', ')}]`;
}

/**
 * Checks that a new state has the leaves of the old one, each with its shape and dtype.
 * @throws ShapeMismatchError naming the first leaf that differs.
 */
export function assertSameLeaves(subject: string, expected: Tree<Described>, received: Tree<Described>): void {
  const before = flattenTree(expected);
  const after = flattenTree(received);
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const want = describe(before.get(name));
    const got = describe(after.get(name));
    if (want !== got) {
      throw new ShapeMismatchError({
        subject: `${subject}, leaf "${name}",`,
        expected: want,
        received: got,
        remedy: 'return a state with the names, shapes and dtypes of the one passed in',
      });
    }
  }
}

/** A state has no leaf of that name. */
export function noLeaf(flatName: string, names: readonly string[]): ConfigurationError {
  return new ConfigurationError({
    subject: 'StepProgram.readLeaf',
    expected: `one of the state's ${names.length} leaves (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})`,
    received: `"${flatName}"`,
  });
}
