import type { LedgerReport } from '@drf/datasets';
import type { ExperimentData, Session } from '@drf/experiment';
import type { ClassificationReport } from '@drf/metrics';
import type { TrainingPosition } from '@drf/model';
import { flattenTree, sizeOf, type HostTensor } from '@drf/tensor';
import { leftOut, percent, startJob, startProgress, type Job, type Progress } from '@drf/terminal';
import { dataSummary, decodedSummary, lossSummary } from './data-summary.js';
import type { StepLosses } from './finite.js';
import type { TrainerEvents } from './trainer.js';

/** What a person sees while training. Everything goes to standard error; results go to standard output. */
export interface Display extends TrainerEvents {
  /** @param rejected the file that lists dropped rows; null where none were */
  data(data: ExperimentData, rejected: string | null): void;
  /** Posts turned out unreadable when they were encoded. @param encoded posts that are left, of the splits encoded */
  decoded(data: ExperimentData, encoded: Readonly<Record<'train' | 'val', number>>): void;
  /** Too few rows can be used. @param rejected the file that lists the others */
  lost(ledger: LedgerReport, rejected: string | null): void;
  session(session: Session): void;
  job(label: string, unit: string): Job;
  warn(message: string): void;
  /** Something that a person should know, and that stops nothing. */
  note?(message: string): void;
  /** Ends what is being drawn. */
  end(): void;
}

/** Shows tables and progress; nothing at all when `silent`. */
export function createDisplay(silent: boolean): Display {
  const print = (text: string): void => void (silent || process.stderr.write(`${text}\n`));
  let bar: Progress | undefined;
  let validating: Progress | undefined;
  return {
    data: (data, rejected) => {
      print(dataSummary(data));
      if (rejected !== null) print(`Dropped rows, with reasons: ${rejected}`);
    },
    decoded: (data, encoded) => print(decodedSummary(data, encoded)),
    lost: (ledger, rejected) => {
      print(lossSummary(ledger));
      if (rejected !== null) print(`Dropped rows, with reasons: ${rejected}`);
      else if (ledger.dropped > 0) print('All dropped rows are listed where --out names a new folder.');
    },
    session: ({ engine, image, text }) => {
      print(`Engine ${engine.name}; encoders ${describeEncoder(image)}, ${describeEncoder(text)}`);
    },
    job: (label, unit) => startJob({ label, unit, silent }),
    note: (message) => print(`note: ${message}`),
    warn: leftOut(print, 'further posts; rejected.jsonl in the run lists them all'),
    onStep: (position: TrainingPosition, totalSteps: number, losses: StepLosses) => {
      const initial = position.step - 1;
      bar ??= startProgress({ label: 'Training', total: totalSteps, unit: 'steps', initial, silent });
      bar.update(position.step, describe(losses));
    },
    onValidation: (done, total) => {
      bar?.stop();
      bar = undefined;
      validating ??= startProgress({ label: 'Validating', total, unit: 'posts', silent });
      validating.update(done);
    },
    onEpoch: (epoch, train, val, isBest) => {
      for (const each of [bar, validating]) each?.stop();
      [bar, validating] = [undefined, undefined];
      print(`Epoch ${epoch}: loss ${train.total.toFixed(4)}${validation(val)}${isBest ? ' (best so far)' : ''}`);
    },
    end: () => {
      bar?.stop();
      validating?.stop();
    },
  };
}

/** The id, and for a trained encoder how many of its parameters are trained. */
function describeEncoder(encoder: Session['image'] | Session['text']): string {
  if (!encoder.trainable) return encoder.id;
  const sizes = [...flattenTree<HostTensor>(encoder.initialParameters)].map(
    ([name, { shape }]) => [encoder.isTrained(name), sizeOf(shape)] as const,
  );
  const millions = (counted: typeof sizes): string =>
    (counted.reduce((sum, [, size]) => sum + size, 0) / 1e6).toFixed(1);
  return `${encoder.id} (trained: ${millions(sizes.filter(([isTrained]) => isTrained))} of ${millions(sizes)} million parameters)`;
}

/** "loss 1.234 (distribution 0.800, classification 0.434)" */
function describe({ total, parts }: StepLosses): string {
  const named = Object.entries(parts).map(([name, loss]) => `${shortName(name)} ${loss.toFixed(3)}`);
  return `loss ${total.toFixed(3)} (${named.join(', ')})`;
}

const SHORT_NAMES: Readonly<Record<string, string>> = {
  distribution: 'dis',
  sampleImageToText: 'rec i→t',
  sampleTextToImage: 'rec t→i',
  distributionImageToText: 'rec Q i→t',
  distributionTextToImage: 'rec Q t→i',
  classification: 'cls',
};

function shortName(part: string): string {
  return SHORT_NAMES[part] ?? part;
}

function validation(report: ClassificationReport | undefined): string {
  if (report === undefined) return '';
  return `, validation accuracy ${percent(report.accuracy)} % of ${report.count}, weighted F1 ${percent(report.weightedF1)} %`;
}
