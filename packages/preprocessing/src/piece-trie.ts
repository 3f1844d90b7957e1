/** A place in a {@link PieceTrie}: what can follow, and the piece that ends here. */
interface TrieNode {
  readonly next: Map<string, TrieNode>;
  /** Number of the piece that ends here. */
  id?: number;
}

/** The pieces of a vocabulary by their characters, to find all that begin at a place in as many steps as the longest has. */
export class PieceTrie {
  readonly root: TrieNode = { next: new Map() };

  /** Adds a piece, as a list of its characters; of two equal ones the later counts. */
  insert(characters: Iterable<string>, id: number): void {
    let node = this.root;
    for (const character of characters) {
      let child = node.next.get(character);
      if (child === undefined) {
        child = { next: new Map() };
        node.next.set(character, child);
      }
      node = child;
    }
    node.id = id;
  }

  /** One step on; undefined where no piece goes on so. */
  follow(node: TrieNode, character: string): TrieNode | undefined {
    return node.next.get(character);
  }
}
