import type { Setting, Strategy } from '@drf/disruption';
import { departuresFromLetter, type ExperimentConfig } from '@drf/experiment';
import { MODALITIES, type Modality } from '@drf/tensor';
import { PAPER_RESULTS, type PaperCell, type PaperDataset } from './paper-results.js';

/** The paper's accuracy and support-weighted F1 of a cell, as shares. */
export interface PaperFigures {
  readonly accuracy: number;
  readonly weightedF1: number;
}

/** The ratios between which the paper's text says what accuracy is lost. */
const DROP_FROM = 0.2;
const DROP_TO = 1;

/**
 * The paper's accuracy lost from dr = 0.2 to dr = 1, as shares: of DRF, and the range of the other methods. Its text
 * gives the differences alone; the accuracies themselves are in the drawing of Figure 5 only.
 */
export interface PaperDrop {
  readonly drf: number;
  readonly others: readonly [number, number];
}

const DATASETS: { readonly [name: string]: PaperDataset } = {
  'mvsa-single': 'mvsa-s',
  'mvsa-multiple': 'mvsa-m',
  tumemo: 'tumemo',
};

export type AblationSwitch = keyof ExperimentConfig['model']['ablations'];

/** The paper's names (Table 4) of DRF without one of its parts. */
const VARIANTS: Readonly<Record<AblationSwitch, string>> = {
  sampleRecovery: 'no-sample-recovery',
  distributionRecovery: 'no-distribution-recovery',
  gaussianProbability: 'no-gaussian-probability',
  pairExpansion: 'no-pair-expansion',
  distributionConstraint: 'no-distribution-constraint',
};

export const ABLATION_SWITCHES = Object.keys(VARIANTS) as readonly AblationSwitch[];

/** The paper's name of DRF without a part. */
export function variantName(part: AblationSwitch): string {
  return VARIANTS[part];
}

/** The switches that a run has off, in the paper's names; none for methods other than DRF. */
export function ablationsOf(config: Pick<ExperimentConfig, 'method' | 'model'>): string[] {
  if (!config.method.startsWith('drf')) return [];
  return ABLATION_SWITCHES.filter((name) => !config.model.ablations[name]).map((name) => VARIANTS[name]);
}

/** What a run is, as far as the paper's tables go. */
interface PaperSubject {
  readonly config: Pick<ExperimentConfig, 'method' | 'model' | 'training' | 'dataset'>;
  /** The data set that is evaluated. */
  readonly dataset: string;
}

/**
 * The paper's figures beside a cell; null where it has none: other data sets, plain concatenation, modality-random
 * cells, several parts switched off at once, training on disrupted posts (modality-fixed leaves training alone), or a
 * data set other than the trained one.
 */
export function paperFigures({ config, dataset }: PaperSubject, strategy: Strategy): PaperFigures | null {
  const key = DATASETS[dataset];
  if (key === undefined || config.dataset.name !== dataset || config.training.disruption !== 'none') return null;
  return paperFiguresOf(paperName(config.method), ablationsOf(config), dataset, strategy);
}

/**
 * The same by names.
 * @param method as the paper calls it @param ablations the switched-off parts, in the paper's names
 */
export function paperFiguresOf(
  method: string,
  ablations: readonly string[],
  dataset: string,
  strategy: Strategy,
): PaperFigures | null {
  const key = DATASETS[dataset];
  const cell = key === undefined ? undefined : cellOf(method, ablations, key, strategy);
  return cell === undefined ? null : { accuracy: cell.acc / 100, weightedF1: cell.f1 / 100 };
}

/** Methods whose authors' code is not public: they were written from descriptions. */
const RECONSTRUCTED = ['hsan', 'mvan', 'mvcn'];

/** A word on those of the methods that are reconstructions; none where there are none. */
export function reconstructionNote(methods: readonly string[]): string | null {
  const found = RECONSTRUCTED.filter((name) => methods.some((method) => method.split(/[+;]/)[0] === name));
  if (found.length === 0) return null;
  const are = found.length === 1 ? 'is a reconstruction' : 'are reconstructions';
  return `${found.join(', ')} ${are} from published descriptions, as no code of the authors is public: figures are not theirs (docs/compared-methods.md).`;
}

/** A method as the paper's tables call it: every DRF there is `DRF`. */
export function paperName(method: string): string {
  return method.startsWith('drf') ? 'DRF' : method.toUpperCase();
}

function cellOf(
  method: string,
  ablations: readonly string[],
  dataset: PaperDataset,
  strategy: Strategy,
): PaperCell | undefined {
  const { clean, modalityFixed, ablation } = PAPER_RESULTS;
  if (ablations.length > 1) return undefined;
  const [variant] = ablations;
  switch (strategy.kind) {
    case 'none':
      return variant === undefined ? clean[method]?.[dataset] : undefined;
    case 'modality-fixed': {
      const { modality, setting } = strategy;
      const rows = variant === undefined ? modalityFixed[modality]?.[method] : ablation[modality]?.[variant];
      return rows?.[dataset]?.[setting];
    }
    case 'modality-random':
    case 'corruption':
    case 'missing':
    case 'own':
      return undefined;
  }
}

/** Accuracy at dr = 0.2 less that at dr = 1, as the paper counts it; null where a curve lacks either. */
export function dropOf(points: readonly { readonly ratio: number; readonly accuracy: number }[]): number | null {
  const at = (wanted: number): number | undefined => points.find(({ ratio }) => ratio === wanted)?.accuracy;
  const [start, end] = [at(DROP_FROM), at(DROP_TO)];
  return start === undefined || end === undefined ? null : start - end;
}

/** The paper's losses of accuracy over a robustness curve; it gives them for C+D only. */
export function paperDrop(dataset: string, setting: Setting): PaperDrop | null {
  const key = DATASETS[dataset];
  if (setting !== 'C+D' || key === undefined) return null;
  const { DRF, others } = PAPER_RESULTS.modalityRandomDrop;
  const [own, range] = [DRF[key], others[key]];
  if (own === undefined || range === undefined) return null;
  return { drf: own / 100, others: [range[0] / 100, range[1] / 100] };
}

/** Modalities whose encoders an experiment fine-tunes; none of one that was stored before they could be. */
export function trainedModalities({
  encoders,
}: {
  readonly encoders: Partial<Pick<ExperimentConfig['encoders'], 'trainable'>>;
}): Modality[] {
  return MODALITIES.filter((modality) => encoders.trainable?.[modality] === true);
}

/** A word on what is called `drf-paper` and departs from the letter by its options; none where nothing does. */
export function letterNote(configs: readonly ExperimentConfig[]): string | null {
  const found = new Set(configs.flatMap(departuresFromLetter));
  return found.size === 0 ? null : `drf-paper is not the paper to the letter here: ${[...found].join(', ')}.`;
}

/**
 * What stands beside the paper's figures, and how far ours are from its setting.
 * @param trained which encoders each run fine-tuned
 */
export function paperLine(trained: readonly (readonly Modality[])[]): string {
  const kinds = new Set(trained.map((modalities) => MODALITIES.filter((one) => modalities.includes(one)).join()));
  const ours =
    kinds.size > 1 ? 'here encoders are frozen in some runs and fine-tuned in others' : OURS[[...kinds][0] ?? ''];
  return `Paper: Wu et al. (ACM MM 2024), on its own test split, with ViT-B/16 and BERT-base fine-tuned; ${ours}.`;
}

const OURS: Readonly<Record<string, string>> = {
  '': 'here encoders are frozen',
  image: 'here the image encoder is fine-tuned and the text encoder frozen',
  text: 'here the text encoder is fine-tuned and the image encoder frozen',
  'image,text': 'here both encoders are fine-tuned, too',
};
