// DRF's loss once more, for tests only: plain loops over plain numbers in double precision, post by post, written from
// the paper's equations and not from this package's code. Slow and meant to be read beside the paper.
export type Row = number[];
export type Matrix = Row[];
/** kernel [in][out], bias [out] */
export type Layer = { kernel: Matrix; bias: Row };
export type ReferenceParameters = {
  image?: { projection?: Layer };
  text?: { projection?: Layer };
  imageToText: { hidden: Layer; output: Layer };
  textToImage: { hidden: Layer; output: Layer };
  fusion: { layer1: Layer; layer2: Layer; layer3: Layer };
  classifier: Layer;
};
export type ReferenceInputs = {
  image: Matrix;
  text: Matrix;
  imageAvailable: Row;
  textAvailable: Row;
  labels: Row;
  /** The filled rows only. */
  imageQueue: Matrix;
  textQueue: Matrix;
};
export type ReferenceOptions = {
  weighting: 'density' | 'relative' | 'normalized';
  sampleRecovery?: boolean;
  distributionRecovery?: boolean;
  gaussianProbability?: boolean;
  pairExpansion?: boolean;
  distributionConstraint?: boolean;
  /** Whether Eq. 4's gradient reaches its target; off by default. */
  targetGradient?: boolean;
  /** Features of unit norm in the shared space; off by default. */
  unitNorm?: boolean;
  scales?: { distribution: number; recovery: number; classification: number };
};

export const distance = (a: Row, b: Row): number => Math.sqrt(squaredDistance(a, b));
const squaredDistance = (a: Row, b: Row): number => a.reduce((sum, x, i) => sum + (x - (b[i] as number)) ** 2, 0);
const relu = (row: Row): Row => row.map((x) => Math.max(0, x));

export function linear({ kernel, bias }: Layer, row: Row): Row {
  return bias.map((start, out) => row.reduce((sum, x, i) => sum + x * (kernel[i]?.[out] as number), start));
}

export const convert = (converter: ReferenceParameters['imageToText'], row: Row): Row =>
  linear(converter.output, relu(linear(converter.hidden, row)));

const fuse = ({ layer1, layer2, layer3 }: ReferenceParameters['fusion'], pair: Row): Row =>
  linear(layer3, relu(linear(layer2, relu(linear(layer1, pair)))));

/** Eq. 1, 2. */
export function statistics(rows: Matrix): { mean: Row; std: number } {
  const mean = (rows[0] ?? []).map((_, i) => rows.reduce((sum, row) => sum + (row[i] as number), 0) / rows.length);
  return { mean, std: Math.sqrt(rows.reduce((sum, row) => sum + squaredDistance(row, mean), 0) / rows.length) };
}
type Statistics = ReturnType<typeof statistics>;

/** log of Eq. 9, or of Eq. 9 over its peak. */
const logDensity = (row: Row, { mean, std }: Statistics, overPeak: boolean): number =>
  -squaredDistance(row, mean) / (2 * std * std) - (overPeak ? 0 : Math.log(Math.sqrt(2 * Math.PI) * std));

/** Eq. 9. */
export const density = (row: Row, of: Statistics): number => Math.exp(logDensity(row, of, false));

/** One post: its own features, or nothing where missing, and what recovery makes of them. */
type Post = { image?: Row; text?: Row; recoveredText?: Row; recoveredImage?: Row };

function postsOf(inputs: ReferenceInputs, parameters: ReferenceParameters, unitNorm: boolean): Post[] {
  const project = (layer: Layer | undefined, row: Row): Row => {
    const projected = layer ? linear(layer, row) : row;
    const norm = Math.hypot(...projected);
    return unitNorm ? projected.map((value) => value / norm) : projected;
  };
  return inputs.labels.map((_, p) => {
    const post: Post = {};
    if (inputs.imageAvailable[p] === 1) {
      post.image = project(parameters.image?.projection, inputs.image[p] as Row);
      post.recoveredText = convert(parameters.imageToText, post.image);
    }
    if (inputs.textAvailable[p] === 1) {
      post.text = project(parameters.text?.projection, inputs.text[p] as Row);
      post.recoveredImage = convert(parameters.textToImage, post.text);
    }
    return post;
  });
}

type Pair = { image?: Row; text?: Row };

/** The pairs in their order; a pair with a hole does not exist. */
const pairsOf = ({ image, text, recoveredText, recoveredImage }: Post, expansion: boolean): Pair[] =>
  expansion
    ? [{ image, text }, { image, text: recoveredText }, { image: recoveredImage, text }] // prettier-ignore
    : [{ image: image ?? recoveredImage, text: text ?? recoveredText }];

/** Eq. 10, 11; without statistics, equal weights. */
function weightsOf(
  pairs: Pair[],
  mode: ReferenceOptions['weighting'],
  of?: { image: Statistics; text: Statistics },
): Row {
  const exists = ({ image, text }: Pair): boolean => image !== undefined && text !== undefined;
  const count = pairs.filter(exists).length;
  if (of === undefined) return pairs.map((pair) => (exists(pair) ? 1 / count : 0));
  const logs = pairs.map(({ image, text }) =>
    image && text
      ? logDensity(image, of.image, mode !== 'density') + logDensity(text, of.text, mode !== 'density')
      : -Infinity,
  );
  if (mode !== 'normalized' || count === 0) return logs.map(Math.exp);
  const largest = Math.max(...logs);
  const sum = logs.reduce((total, log) => total + Math.exp(log - largest), 0);
  return logs.map((log) => Math.exp(log - largest) / sum);
}

export type ReferenceStep = {
  posts: Post[];
  imageStats: Statistics;
  textStats: Statistics;
  convertedStats: { imageToText: Statistics; textToImage: Statistics };
  parts: { [name: string]: number };
  total: number;
  weights: Matrix;
  fusedPairs: (Row | undefined)[][];
  fused: Matrix;
  logits: Matrix;
  probabilities: Matrix;
};

/** Steps 1 to 7. Parts that are switched off are left out. */
export function referenceStep(
  inputs: ReferenceInputs,
  parameters: ReferenceParameters,
  options: ReferenceOptions,
): ReferenceStep {
  const on = (name: keyof ReferenceOptions): boolean => options[name] !== false;
  const posts = postsOf(inputs, parameters, options.unitNorm === true);
  const ready = inputs.imageQueue.length >= 2 && inputs.textQueue.length >= 2;
  const imageStats = statistics(inputs.imageQueue);
  const textStats = statistics(inputs.textQueue);
  const overPosts = (loss: (post: Post) => number): number =>
    posts.reduce((sum, post) => sum + loss(post), 0) / posts.length;
  const parts: { [name: string]: number } = {};
  if (on('distributionConstraint')) {
    // Eq. 3
    const pull = (row: Row | undefined, own: Statistics, other: Statistics): number =>
      row ? Math.exp(distance(row, own.mean) - distance(row, other.mean)) : 0;
    parts.distribution = ready
      ? overPosts(({ image, text }) => pull(image, imageStats, textStats) + pull(text, textStats, imageStats))
      : 0;
  }
  if (on('sampleRecovery')) {
    // Eq. 4, 5
    const between = (image: Row | undefined, text: Row | undefined, a?: Row, b?: Row): number =>
      image && text ? distance(a as Row, b as Row) : 0;
    parts.sampleImageToText = overPosts((post) => between(post.image, post.text, post.recoveredText, post.text));
    parts.sampleTextToImage = overPosts((post) => between(post.image, post.text, post.recoveredImage, post.image));
  }
  const convertedStats = {
    imageToText: statistics(inputs.imageQueue.map((row) => convert(parameters.imageToText, row))),
    textToImage: statistics(inputs.textQueue.map((row) => convert(parameters.textToImage, row))),
  };
  if (on('distributionRecovery')) {
    // Eq. 6, 7
    const apart = (a: Statistics, b: Statistics): number =>
      ready ? distance(a.mean, b.mean) + Math.abs(a.std - b.std) : 0;
    parts.distributionImageToText = apart(convertedStats.imageToText, textStats);
    parts.distributionTextToImage = apart(convertedStats.textToImage, imageStats);
  }
  const byDensity = ready && on('gaussianProbability') ? { image: imageStats, text: textStats } : undefined;
  const pairs = posts.map((post) => pairsOf(post, on('pairExpansion')));
  const weights = pairs.map((ofPost) => weightsOf(ofPost, options.weighting, byDensity));
  const fusedPairs = pairs.map((ofPost) =>
    ofPost.map(({ image, text }) => (image && text ? fuse(parameters.fusion, [...image, ...text]) : undefined)),
  );
  // Eq. 12: M = Σ weight · F(pair), over the pairs that exist
  const fused = fusedPairs.map((ofPost, p) =>
    parameters.fusion.layer3.bias.map((_, i) =>
      ofPost.reduce((sum, row, pair) => (row ? sum + (weights[p]?.[pair] as number) * (row[i] as number) : sum), 0),
    ),
  );
  const logits = fused.map((row) => linear(parameters.classifier, row));
  // Eq. 14, 15
  const probabilities = logits.map((row) => {
    const exponentials = row.map((logit) => Math.exp(logit - Math.max(...row)));
    return exponentials.map((x) => x / exponentials.reduce((sum, y) => sum + y, 0));
  });
  parts.classification =
    -inputs.labels.reduce((sum, label, p) => sum + Math.log(probabilities[p]?.[label] as number), 0) / posts.length;
  // Eq. 16
  const scales = options.scales ?? { distribution: 1, recovery: 1, classification: 1 };
  const scaleOf = (name: string): number =>
    name === 'distribution' ? scales.distribution : name === 'classification' ? scales.classification : scales.recovery;
  const total = Object.entries(parts).reduce((sum, [name, value]) => sum + scaleOf(name) * value, 0);
  return {
    posts,
    imageStats,
    textStats,
    convertedStats,
    parts,
    total,
    weights,
    fusedPairs,
    fused,
    logits,
    probabilities,
  };
}

/** Every number of a nested record of arrays, by its flat name, with a way to change it in place. */
export function numbersOf(tree: object, prefix = ''): { name: string; index: number; row: Row; at: number }[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    if (!Array.isArray(value)) return numbersOf(value as object, `${prefix}${name}.`);
    const rows = (Array.isArray(value[0]) ? value : [value]) as Matrix;
    let index = 0;
    return rows.flatMap((row) => row.map((_, at) => ({ name: prefix + name, index: index++, row, at })));
  });
}

/**
 * dL/dx by central differences for every parameter and input feature. Unless `targetGradient` says otherwise a target of
 * the sample loss is a constant, so the sample losses are taken with the targets of the unchanged inputs. The queues do
 * not change at all.
 */
export function referenceGradients(
  inputs: ReferenceInputs,
  parameters: ReferenceParameters,
  options: ReferenceOptions,
  only: (name: string) => boolean = () => true,
): Map<string, Row> {
  const scale = options.scales?.recovery ?? 1;
  const fixed = structuredClone(referenceStep(inputs, parameters, options).posts);
  const loss = (): number => {
    const step = referenceStep(inputs, parameters, options);
    if (options.sampleRecovery === false || options.targetGradient === true) return step.total;
    let sample = 0;
    step.posts.forEach(({ image, text, recoveredText, recoveredImage }, p) => {
      if (!image || !text) return;
      sample +=
        distance(recoveredText as Row, fixed[p]?.text as Row) + distance(recoveredImage as Row, fixed[p]?.image as Row);
    });
    const { sampleImageToText = 0, sampleTextToImage = 0 } = step.parts;
    return step.total + scale * (sample / step.posts.length - sampleImageToText - sampleTextToImage);
  };
  const gradients = new Map<string, Row>();
  const { image, text } = inputs;
  const all = [...numbersOf(parameters), ...numbersOf({ image, text })];
  for (const { name, index, row, at } of all.filter((n) => only(n.name))) {
    const value = row[at] as number;
    const step = 1e-5;
    row[at] = value + step;
    const above = loss();
    row[at] = value - step;
    const below = loss();
    row[at] = value;
    const slopes = gradients.get(name) ?? [];
    slopes[index] = (above - below) / (2 * step);
    gradients.set(name, slopes);
  }
  return gradients;
}
