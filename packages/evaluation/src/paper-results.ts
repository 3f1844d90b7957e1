/** A cell of the paper's tables, in percent: accuracy and support-weighted F1. */
export interface PaperCell {
  readonly acc: number;
  readonly f1: number;
}

export type PaperDataset = 'mvsa-s' | 'mvsa-m' | 'tumemo';
/** Keyed by data set, then by setting (C, D, C+D). */
type BySetting = { readonly [dataset: string]: { readonly [setting: string]: PaperCell } };

export interface PaperResults {
  /** Modality-fixed: disrupted modality, method, data set, setting. */
  readonly modalityFixed: { readonly [modality: string]: { readonly [method: string]: BySetting } };
  /** Intact posts: method, data set. */
  readonly clean: { readonly [method: string]: { readonly [dataset: string]: PaperCell } };
  /** Table 4, modality-fixed: disrupted modality, what is switched off, data set, setting. */
  readonly ablation: { readonly [modality: string]: { readonly [variant: string]: BySetting } };
  /** Modality-random, C+D: accuracy lost from dr = 0.2 to dr = 1, in percentage points; of the others a range. */
  readonly modalityRandomDrop: {
    readonly DRF: { readonly [dataset: string]: number };
    readonly others: { readonly [dataset: string]: readonly [number, number] };
  };
}

/**
 * The tables of Wu, Yang, Zhou, Ma, "Robust Multimodal Sentiment Analysis of Image-Text Pairs by Distribution-Based
 * Feature Recovery and Fusion" (ACM MM 2024; arXiv 2511.18751). Its encoders, ViT-B/16 and BERT-base, were fine-tuned.
 */
export const PAPER_RESULTS: PaperResults = {
  modalityFixed: {
    image: {
      HSAN: {
        'mvsa-s': { C: { acc: 70.5, f1: 69.7 }, D: { acc: 69.8, f1: 69.6 }, 'C+D': { acc: 70.0, f1: 69.5 } },
        'mvsa-m': { C: { acc: 67.5, f1: 65.6 }, D: { acc: 66.2, f1: 64.1 }, 'C+D': { acc: 66.6, f1: 64.3 } },
        tumemo: { C: { acc: 63.5, f1: 63.3 }, D: { acc: 62.5, f1: 62.4 }, 'C+D': { acc: 62.9, f1: 62.8 } },
      },
      MVAN: {
        'mvsa-s': { C: { acc: 67.7, f1: 67.4 }, D: { acc: 66.5, f1: 66.0 }, 'C+D': { acc: 66.3, f1: 66.2 } },
        'mvsa-m': { C: { acc: 66.9, f1: 64.8 }, D: { acc: 66.0, f1: 63.7 }, 'C+D': { acc: 66.4, f1: 64.2 } },
        tumemo: { C: { acc: 60.7, f1: 60.6 }, D: { acc: 60.1, f1: 60.0 }, 'C+D': { acc: 60.4, f1: 60.4 } },
      },
      MGNNS: {
        'mvsa-s': { C: { acc: 71.9, f1: 71.8 }, D: { acc: 71.6, f1: 70.9 }, 'C+D': { acc: 71.6, f1: 71.3 } },
        'mvsa-m': { C: { acc: 69.4, f1: 66.3 }, D: { acc: 68.6, f1: 65.7 }, 'C+D': { acc: 69.1, f1: 66.2 } },
        tumemo: { C: { acc: 65.2, f1: 65.1 }, D: { acc: 63.8, f1: 63.6 }, 'C+D': { acc: 64.1, f1: 64.0 } },
      },
      CLMLF: {
        'mvsa-s': { C: { acc: 69.4, f1: 69.0 }, D: { acc: 67.7, f1: 67.8 }, 'C+D': { acc: 68.4, f1: 68.1 } },
        'mvsa-m': { C: { acc: 67.0, f1: 65.3 }, D: { acc: 66.4, f1: 64.3 }, 'C+D': { acc: 66.7, f1: 65.0 } },
        tumemo: { C: { acc: 62.4, f1: 62.3 }, D: { acc: 61.8, f1: 61.5 }, 'C+D': { acc: 62.2, f1: 62.1 } },
      },
      MVCN: {
        'mvsa-s': { C: { acc: 70.3, f1: 69.9 }, D: { acc: 69.3, f1: 69.2 }, 'C+D': { acc: 69.9, f1: 69.4 } },
        'mvsa-m': { C: { acc: 68.1, f1: 66.0 }, D: { acc: 67.3, f1: 64.9 }, 'C+D': { acc: 67.6, f1: 65.3 } },
        tumemo: { C: { acc: 63.7, f1: 63.6 }, D: { acc: 62.9, f1: 62.9 }, 'C+D': { acc: 63.3, f1: 63.3 } },
      },
      DRF: {
        'mvsa-s': { C: { acc: 74.5, f1: 74.4 }, D: { acc: 73.4, f1: 73.1 }, 'C+D': { acc: 73.8, f1: 73.6 } },
        'mvsa-m': { C: { acc: 71.0, f1: 68.2 }, D: { acc: 70.0, f1: 67.5 }, 'C+D': { acc: 70.3, f1: 67.9 } },
        tumemo: { C: { acc: 68.4, f1: 68.2 }, D: { acc: 67.2, f1: 67.2 }, 'C+D': { acc: 67.9, f1: 67.7 } },
      },
    },
    text: {
      HSAN: {
        'mvsa-s': { C: { acc: 64.9, f1: 64.3 }, D: { acc: 64.1, f1: 63.3 }, 'C+D': { acc: 64.6, f1: 64.2 } },
        'mvsa-m': { C: { acc: 64.4, f1: 61.6 }, D: { acc: 62.9, f1: 60.7 }, 'C+D': { acc: 63.6, f1: 61.4 } },
        tumemo: { C: { acc: 48.8, f1: 48.5 }, D: { acc: 47.5, f1: 47.4 }, 'C+D': { acc: 48.2, f1: 48.0 } },
      },
      MVAN: {
        'mvsa-s': { C: { acc: 63.0, f1: 62.3 }, D: { acc: 62.4, f1: 62.2 }, 'C+D': { acc: 62.8, f1: 62.5 } },
        'mvsa-m': { C: { acc: 64.1, f1: 60.9 }, D: { acc: 62.9, f1: 60.0 }, 'C+D': { acc: 63.5, f1: 61.7 } },
        tumemo: { C: { acc: 45.3, f1: 45.2 }, D: { acc: 44.4, f1: 44.0 }, 'C+D': { acc: 44.8, f1: 44.7 } },
      },
      MGNNS: {
        'mvsa-s': { C: { acc: 66.1, f1: 65.6 }, D: { acc: 64.7, f1: 64.5 }, 'C+D': { acc: 65.5, f1: 65.2 } },
        'mvsa-m': { C: { acc: 64.8, f1: 62.5 }, D: { acc: 63.5, f1: 61.8 }, 'C+D': { acc: 64.1, f1: 62.3 } },
        tumemo: { C: { acc: 52.6, f1: 52.7 }, D: { acc: 50.4, f1: 50.4 }, 'C+D': { acc: 51.5, f1: 51.3 } },
      },
      CLMLF: {
        'mvsa-s': { C: { acc: 64.3, f1: 63.6 }, D: { acc: 63.1, f1: 62.8 }, 'C+D': { acc: 63.7, f1: 63.4 } },
        'mvsa-m': { C: { acc: 63.8, f1: 61.2 }, D: { acc: 62.5, f1: 60.4 }, 'C+D': { acc: 63.3, f1: 60.7 } },
        tumemo: { C: { acc: 48.1, f1: 48.0 }, D: { acc: 46.9, f1: 46.7 }, 'C+D': { acc: 47.0, f1: 46.9 } },
      },
      MVCN: {
        'mvsa-s': { C: { acc: 65.3, f1: 65.0 }, D: { acc: 64.6, f1: 64.5 }, 'C+D': { acc: 65.0, f1: 64.7 } },
        'mvsa-m': { C: { acc: 64.4, f1: 62.1 }, D: { acc: 63.3, f1: 61.4 }, 'C+D': { acc: 63.8, f1: 61.9 } },
        tumemo: { C: { acc: 50.5, f1: 50.3 }, D: { acc: 49.2, f1: 49.2 }, 'C+D': { acc: 49.8, f1: 49.7 } },
      },
      DRF: {
        'mvsa-s': { C: { acc: 69.4, f1: 69.4 }, D: { acc: 68.1, f1: 68.0 }, 'C+D': { acc: 68.5, f1: 68.3 } },
        'mvsa-m': { C: { acc: 67.9, f1: 66.5 }, D: { acc: 67.2, f1: 64.8 }, 'C+D': { acc: 67.3, f1: 66.2 } },
        tumemo: { C: { acc: 61.6, f1: 61.4 }, D: { acc: 59.2, f1: 59.1 }, 'C+D': { acc: 60.9, f1: 61.0 } },
      },
    },
  },
  clean: {
    HSAN: { 'mvsa-s': { acc: 69.9, f1: 66.9 }, 'mvsa-m': { acc: 68.0, f1: 67.8 }, tumemo: { acc: 63.1, f1: 54.0 } },
    MVAN: { 'mvsa-s': { acc: 73.0, f1: 73.0 }, 'mvsa-m': { acc: 72.4, f1: 72.3 }, tumemo: { acc: 66.5, f1: 63.4 } },
    MGNNS: { 'mvsa-s': { acc: 73.8, f1: 72.7 }, 'mvsa-m': { acc: 72.5, f1: 69.3 }, tumemo: { acc: 66.7, f1: 66.7 } },
    CLMLF: { 'mvsa-s': { acc: 75.3, f1: 73.5 }, 'mvsa-m': { acc: 71.1, f1: 68.6 }, tumemo: { acc: 68.1, f1: 68.0 } },
    MVCN: { 'mvsa-s': { acc: 76.1, f1: 74.6 }, 'mvsa-m': { acc: 72.1, f1: 70.0 }, tumemo: { acc: 68.4, f1: 68.4 } },
    DRF: { 'mvsa-s': { acc: 76.5, f1: 75.9 }, 'mvsa-m': { acc: 72.2, f1: 70.4 }, tumemo: { acc: 69.6, f1: 69.6 } },
  },
  ablation: {
    image: {
      full: {
        'mvsa-s': { C: { acc: 74.5, f1: 74.4 }, D: { acc: 73.4, f1: 73.1 }, 'C+D': { acc: 73.8, f1: 73.6 } },
        tumemo: { C: { acc: 68.4, f1: 68.2 }, D: { acc: 67.2, f1: 67.2 }, 'C+D': { acc: 67.9, f1: 67.7 } },
      },
      'no-sample-recovery': {
        'mvsa-s': { C: { acc: 73.7, f1: 73.4 }, D: { acc: 72.1, f1: 72.0 }, 'C+D': { acc: 72.6, f1: 72.1 } },
        tumemo: { C: { acc: 68.1, f1: 67.9 }, D: { acc: 66.0, f1: 65.9 }, 'C+D': { acc: 67.0, f1: 67.0 } },
      },
      'no-distribution-recovery': {
        'mvsa-s': { C: { acc: 73.2, f1: 72.5 }, D: { acc: 71.5, f1: 71.2 }, 'C+D': { acc: 72.2, f1: 71.6 } },
        tumemo: { C: { acc: 67.7, f1: 67.6 }, D: { acc: 65.5, f1: 65.6 }, 'C+D': { acc: 66.7, f1: 66.6 } },
      },
      'no-gaussian-probability': {
        'mvsa-s': { C: { acc: 71.9, f1: 71.7 }, D: { acc: 72.7, f1: 72.3 }, 'C+D': { acc: 72.3, f1: 72.1 } },
        tumemo: { C: { acc: 65.0, f1: 64.7 }, D: { acc: 66.6, f1: 66.7 }, 'C+D': { acc: 65.8, f1: 65.8 } },
      },
      'no-pair-expansion': {
        'mvsa-s': { C: { acc: 72.4, f1: 72.2 }, D: { acc: 68.3, f1: 67.1 }, 'C+D': { acc: 71.0, f1: 70.6 } },
        tumemo: { C: { acc: 66.6, f1: 66.5 }, D: { acc: 62.8, f1: 62.7 }, 'C+D': { acc: 64.6, f1: 64.4 } },
      },
      'no-distribution-constraint': {
        'mvsa-s': { C: { acc: 74.0, f1: 73.8 }, D: { acc: 72.5, f1: 72.0 }, 'C+D': { acc: 73.5, f1: 73.2 } },
        tumemo: { C: { acc: 67.9, f1: 67.9 }, D: { acc: 66.3, f1: 66.2 }, 'C+D': { acc: 67.1, f1: 67.1 } },
      },
    },
    text: {
      full: {
        'mvsa-s': { C: { acc: 69.4, f1: 69.4 }, D: { acc: 68.1, f1: 68.0 }, 'C+D': { acc: 68.5, f1: 68.3 } },
        tumemo: { C: { acc: 61.6, f1: 61.4 }, D: { acc: 59.2, f1: 59.1 }, 'C+D': { acc: 60.9, f1: 61.0 } },
      },
      'no-sample-recovery': {
        'mvsa-s': { C: { acc: 68.5, f1: 68.3 }, D: { acc: 66.7, f1: 66.4 }, 'C+D': { acc: 67.5, f1: 66.8 } },
        tumemo: { C: { acc: 60.2, f1: 60.0 }, D: { acc: 57.8, f1: 57.7 }, 'C+D': { acc: 58.9, f1: 58.8 } },
      },
      'no-distribution-recovery': {
        'mvsa-s': { C: { acc: 68.5, f1: 68.4 }, D: { acc: 65.8, f1: 65.2 }, 'C+D': { acc: 67.0, f1: 66.9 } },
        tumemo: { C: { acc: 60.4, f1: 60.4 }, D: { acc: 57.5, f1: 57.6 }, 'C+D': { acc: 59.0, f1: 58.8 } },
      },
      'no-gaussian-probability': {
        'mvsa-s': { C: { acc: 67.1, f1: 66.7 }, D: { acc: 67.5, f1: 67.5 }, 'C+D': { acc: 67.3, f1: 67.0 } },
        tumemo: { C: { acc: 58.8, f1: 58.7 }, D: { acc: 58.4, f1: 58.4 }, 'C+D': { acc: 58.6, f1: 58.6 } },
      },
      'no-pair-expansion': {
        'mvsa-s': { C: { acc: 67.7, f1: 67.2 }, D: { acc: 65.0, f1: 64.8 }, 'C+D': { acc: 66.2, f1: 65.9 } },
        tumemo: { C: { acc: 59.3, f1: 59.2 }, D: { acc: 53.1, f1: 53.0 }, 'C+D': { acc: 56.2, f1: 56.3 } },
      },
      'no-distribution-constraint': {
        'mvsa-s': { C: { acc: 68.7, f1: 68.5 }, D: { acc: 67.2, f1: 67.0 }, 'C+D': { acc: 67.9, f1: 67.6 } },
        tumemo: { C: { acc: 61.3, f1: 61.2 }, D: { acc: 58.2, f1: 58.3 }, 'C+D': { acc: 59.5, f1: 59.5 } },
      },
    },
  },
  modalityRandomDrop: {
    DRF: { 'mvsa-s': 4.48, 'mvsa-m': 2.52, tumemo: 6.5 },
    others: { 'mvsa-s': [6.72, 9.53], 'mvsa-m': [5.0, 6.97], tumemo: [12.78, 18.11] },
  },
};
