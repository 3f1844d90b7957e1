/** A word and what it means. */
export type Term = readonly [word: string, meaning: string];

/** What the words of reports mean, by how tables and charts write them. */
const TERMS: Readonly<Record<string, string>> = {
  accuracy: 'Share of the posts that are answered rightly.',
  '95 % interval': 'Where the true value lies with 95 % confidence, given so few or so many posts (or seeds).',
  precision: 'Of the posts that were said to be of a class, the share that are.',
  recall: 'Of the posts of a class, the share that were found.',
  F1: 'Harmonic mean of precision and recall: high only where both are.',
  'weighted F1': 'Mean of the classes’ F1, each weighted by its posts. The paper reports this one.',
  'macro F1': 'Mean of the classes’ F1, each counting the same, over the classes that have posts here.',
  posts: 'How many posts it is counted over; of a class, its posts in this split (its support).',
  answered: 'How often the class was the answer, rightly or wrongly.',
  'calibration error (ECE)':
    'Expected calibration error: how far confidence and accuracy lie apart, on average; 0 is best. It is of the model’s own probabilities, before a temperature calibrates them, and few posts make it look larger than it is.',
  corrupted: 'Pixels of the image turned black, or words of the text replaced by a mask.',
  missing: 'Taken away altogether: the post has no image, or no text.',
  cell: 'One question to a model: trained on these posts, tested on posts that are disrupted so.',
  'fixed:image:C': 'Codes say which modality is disrupted (image, text) and how (C, D, C+D), in every post.',
  'random:0.6:D': 'In a share of the posts (0.6: 60 %) one of the two modalities, by chance, is disrupted.',
  C: 'Corrupted.',
  D: 'Discarded: missing.',
  'C+D': 'Corrupted in one half of the disrupted posts, missing in the other.',
  dr: 'The share of posts that are disrupted, from 0 (none) to 1 (all).',
  area: 'Area under the curve of accuracy against the share of disrupted posts: a mean accuracy.',
  lost: 'Points of accuracy that are lost from 20 % to 100 % of disrupted posts, as the paper counts it.',
  AUROC: 'How well one figure tells two kinds of posts apart: 1 always, 0.5 as a coin.',
  quality:
    'How usual an image or text is among posts like those of training: 0 % like none, 100 % like the most usual.',
  seeds: 'Trainings that differ in nothing but the random numbers that they started from.',
  fold: 'One part of a cross-validation: posts that were tested by a model trained on the others.',
  'p, corrected':
    'How likely so large a difference is by chance, corrected (Holm) for how many there are in the table.',
  verdict: 'Better or worse is said only where both intervals leave out 0 and the corrected p lies below 0.05.',
  difference: 'Accuracy of the first less that of the second, in points.',
  'over seeds alone': 'The interval by Student’s t over the seeds’ differences, which knows how much trainings vary.',
  McNemar: 'Seeds of which this exact test on single posts finds a difference.',
  'cells above, below': 'How many single cells favor the first, and the second, taken alone and not corrected.',
  drf: 'The method of this project: distribution-based feature recovery and fusion, in its improved form.',
  'drf-adapted': 'The paper’s model with normalized weights, which learns over frozen encoders.',
  'drf-paper': 'The paper’s model to the letter.',
  concatenation: 'Image and text features side by side: the plainest method.',
  'image-only': 'Judges by the image alone; without one, by how frequent the classes are.',
  'text-only': 'Judges by the text alone; without one, by how frequent the classes are.',
  'late-fusion': 'Averages what image alone and text alone say.',
  clmlf: 'A compared method: contrastive learning and multi-layer fusion.',
  hsan: 'A compared method: hierarchical semantic attention.',
  mvan: 'A compared method: multi-view attention with memory.',
  mgnns: 'A compared method: multi-channel graph networks.',
  mvcn: 'A compared method: multi-view calibration.',
  'cells of':
    'Over which cells the mean is: fixed ones disrupt one modality of every post (trained on intact posts), random ones a share of the posts (trained and tested on the same share); C, D and C+D are how.',
  epoch: 'One pass over the training posts.',
  'training loss': 'What training makes small; comparable within one run only.',
  'validation loss': 'Mean −ln of the probability of the right class, on validation posts.',
  λ: 'Whether a modality is there (1) or missing (0).',
  density: 'How well a feature fits the distribution of its modality, as a logarithm below its peak: 0 is most usual.',
};

/** Parts of the training loss: their names in words, and what they are. */
const LOSS_PARTS: Readonly<Record<string, readonly [words: string, meaning: string]>> = {
  classification: ['classification', 'How wrong the answers are.'],
  pairs: ['classification by each pair', 'How wrong each pair of image and text would be if it answered alone.'],
  distribution: ['distributions', 'Keeps the distributions of image and text features in shape (L_dis of the paper).'],
  sampleImageToText: ['text recovery, each post', 'How far a text feature recovered from the image is from the true one.'],
  sampleTextToImage: ['image recovery, each post', 'How far an image feature recovered from the text is from the true one.'],
  distributionImageToText: ['text recovery, overall', 'How differently recovered and true text features are distributed.'],
  distributionTextToImage: ['image recovery, overall', 'How differently recovered and true image features are distributed.'],
}; // prettier-ignore

/** A part of the loss in words; one of a method that is not known here by its own name, in separate words. */
export function lossWords(part: string): string {
  return LOSS_PARTS[part]?.[0] ?? part.replaceAll(/([a-z\d])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
} // prettier-ignore

/** What the known parts of a loss are. */
export function lossTerms(parts: readonly string[]): Term[] {
  return parts.flatMap((part): Term[] => {
    const known = LOSS_PARTS[part];
    return known === undefined ? [] : [[known[0], `${known[1]} In files: ${part}.`]];
  });
}

/** The terms that occur in some texts. */
export function termsIn(texts: readonly string[]): Term[] {
  const all = texts.join('\n');
  return Object.entries(TERMS).filter(([term]) => occurs(term, all));
}

/** What a word of a table's head means; undefined where it is plain. */
export function meaningOf(term: string): string | undefined {
  return TERMS[term];
}

/** Codes such as `fixed:image:C` occur where any of their kind does. */
function occurs(term: string, text: string): boolean {
  const escaped = term.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const pattern = term.includes(':') ? `${term.split(':')[0]}:` : `${escaped}(?![\\w+-])`;
  return new RegExp(`(?<![\\w+-])${pattern}`).test(text);
}
