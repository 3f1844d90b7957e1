/** Sentiment classes of MVSA, in the order of CLMLF's codes (0, 1, 2). */
export const SENTIMENTS = ['positive', 'neutral', 'negative'] as const;
/** One of {@link SENTIMENTS}. */
export type Sentiment = (typeof SENTIMENTS)[number];

/**
 * One label for a post from the labels of its two modalities: the same → that one; neutral and polar → the polar one;
 * positive and negative → `null`, and the post is dropped.
 * Source: Xu, Mao, "MultiSentiNet: a deep semantic network for multimodal sentiment analysis" (CIKM 2017).
 */
export function combineLabels(text: Sentiment, image: Sentiment): Sentiment | null {
  if (text === image) return text;
  if (text === 'neutral') return image;
  if (image === 'neutral') return text;
  return null;
}

/** The label that more than half of the annotators chose (of three: at least two), or `null`. */
export function majorityLabel(labels: readonly Sentiment[]): Sentiment | null {
  return SENTIMENTS.find((label) => labels.filter((chosen) => chosen === label).length * 2 > labels.length) ?? null;
}

/** One annotator's labels of a post. */
export interface Annotation {
  readonly text: Sentiment;
  readonly image: Sentiment;
}

/** The outcome of the label rule: a label, or why there is none. */
export type RuledLabel = Sentiment | 'no majority label' | 'conflicting labels';

/** The whole rule: the majority per modality (trivial for one annotator), then {@link combineLabels}. */
export function applyLabelRule(annotations: readonly Annotation[]): RuledLabel {
  const text = majorityLabel(annotations.map((annotation) => annotation.text));
  const image = majorityLabel(annotations.map((annotation) => annotation.image));
  if (text === null || image === null) return 'no majority label';
  return combineLabels(text, image) ?? 'conflicting labels';
}
