/** Pairs that share fewer windows than this have no edge. */
const FEWEST_SHARED = 2;

/**
 * Counts in how many windows nodes stand, alone and in pairs.
 * A window is a set of nodes that stand together: neighboring word pieces, or clusters of one image.
 */
export class CoOccurrence {
  private windows = 0;
  private readonly single: Float64Array;
  private readonly pairs: Float64Array;

  constructor(readonly nodes: number) {
    this.single = new Float64Array(nodes);
    this.pairs = new Float64Array(nodes * nodes);
  }

  /** @param members nodes of the window; repeated ones count once, a window without any counts, too */
  add(members: Iterable<number>): void {
    const distinct = [...new Set(members)];
    this.windows++;
    for (const i of distinct) {
      this.single[i] = (this.single[i] as number) + 1;
      for (const j of distinct) {
        if (i !== j) this.pairs[i * this.nodes + j] = (this.pairs[i * this.nodes + j] as number) + 1;
      }
    }
  }

  /**
   * Positive pointwise mutual information, log(p(i, j) / (p(i)·p(j))) where it is above 0 and i and j share at least two
   * windows, else 0; 1 from a node to itself. [nodes, nodes], row by row
   * Source: Yao et al., "Graph convolutional networks for text classification" (AAAI 2019), Eq. 3-6.
   */
  mutualInformation(): Float32Array {
    const edges = new Float32Array(this.nodes * this.nodes);
    for (let i = 0; i < this.nodes; i++) {
      edges[i * this.nodes + i] = 1;
      for (let j = 0; j < this.nodes; j++) {
        const shared = this.pairs[i * this.nodes + j] as number;
        if (shared < FEWEST_SHARED) continue;
        const expected = (this.single[i] as number) * (this.single[j] as number);
        edges[i * this.nodes + j] = Math.max(0, Math.log((shared * this.windows) / expected));
      }
    }
    return edges;
  }

  /**
   * Conditional probabilities as a graph's edges: from node i, `share` goes to the others by P(j | i), the rest to i
   * itself; rows sum to 1. A node without neighbors keeps all.
   * Source: Chen et al., "Multi-label image recognition with graph convolutional networks" (CVPR 2019), Eq. 7 and 8,
   * without their threshold.
   */
  conditionalEdges(share: number): Float32Array {
    const { nodes } = this;
    const edges = new Float32Array(nodes * nodes);
    for (let i = 0; i < nodes; i++) {
      const row = this.pairs.subarray(i * nodes, (i + 1) * nodes); // P(j | i) up to the factor 1 / count(i)
      const total = row.reduce((sum, count) => sum + count, 0);
      row.forEach((count, j) => void (edges[i * nodes + j] = total === 0 ? 0 : (share * count) / total));
      edges[i * nodes + i] = total === 0 ? 1 : 1 - share;
    }
    return edges;
  }

  /**
   * Edges as the authors of MGNNS make them: j is a neighbor of i where P(j | i) reaches `threshold`; each node shares
   * `share` among those whose neighbor it is and keeps the rest; then both sides are divided by the roots of row sums.
   * Source: Chen et al. (CVPR 2019), Eq. 7 and 8 with their threshold; Kipf and Welling (ICLR 2017).
   */
  thresholdEdges(threshold: number, share: number): Float32Array {
    const { nodes, single, pairs } = this;
    const isNeighbor = (i: number, j: number): boolean =>
      i !== j && (single[i] as number) > 0 && (pairs[i * nodes + j] as number) / (single[i] as number) >= threshold;
    const shared = new Float64Array(nodes * nodes);
    for (let j = 0; j < nodes; j++) {
      const rows = Array.from({ length: nodes }, (_, i) => i).filter((i) => isNeighbor(i, j));
      for (const i of rows) shared[i * nodes + j] = share / rows.length;
      shared[j * nodes + j] = 1 - share;
    }
    const roots = Array.from({ length: nodes }, (_, i) =>
      Math.sqrt(shared.subarray(i * nodes, (i + 1) * nodes).reduce((sum, edge) => sum + edge, 0)),
    );
    return Float32Array.from({ length: nodes * nodes }, (_, place) => {
      const [i, j] = [Math.floor(place / nodes), place % nodes];
      return (shared[j * nodes + i] as number) / ((roots[i] as number) * (roots[j] as number));
    });
  }
}
