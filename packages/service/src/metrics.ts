import { createRequire } from 'node:module';
import {
  AggregatorRegistry,
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type Aggregator,
} from 'prom-client';
import { looksCorrupted, type Judgment } from '@drf/judge';
import { MODALITIES } from '@drf/tensor';
import { DECILES, QualityDrift } from './quality-drift.js';
import type { ReloadableJudge } from './reloadable-judge.js';
import type { JudgeProcessState, Stage } from './work.js';

export const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/** What a process that serves with others knows of them. */
export interface GroupState {
  /** Which one it is, from 1. */
  readonly worker: number;
  /** How many there should be. */
  readonly workers: number;
  readonly restarts: () => number;
  readonly primaryResidentBytes: () => number;
}

/** A process's metrics, as they can be sent to another. */
export type MetricsOfOne = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/**
 * The metrics of processes that come and go, as those of one: counts and histograms summed, others as each metric says.
 * What a process had counted when it was last asked stays counted when it has ended, so that no count ever falls.
 */
export class GroupMetrics {
  private readonly latest = new Map<number, MetricsOfOne>();
  /** Counts of those that have ended. */
  private readonly ended: MetricsOfOne[] = [];
  private merging: Promise<void> = Promise.resolve();

  /** @param process any number that names it */
  update(process: number, metrics: MetricsOfOne): void {
    this.latest.set(process, metrics);
  }

  end(process: number): void {
    const last = this.latest.get(process);
    if (last === undefined) return;
    this.latest.delete(process);
    this.ended.push(last.filter(({ type }) => ['counter', 'histogram'].includes(String(type))));
    this.merging = this.merging.then(() => this.merge());
  }

  text(): Promise<string> {
    return AggregatorRegistry.aggregate([...this.latest.values(), ...this.ended]).metrics();
  }

  /** However many end, they are held as one. */
  private async merge(): Promise<void> {
    const { length } = this.ended;
    const merged = await AggregatorRegistry.aggregate(this.ended.slice(0, length)).getMetricsAsJSON();
    this.ended.splice(0, length, merged);
  }
}

interface GaugeOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: string[];
  /** Of several processes; default sum. */
  readonly aggregator?: Aggregator;
  readonly collect: (set: (value: number, labels?: Readonly<Record<string, string>>) => void) => void;
}

interface MetricSources {
  readonly waitingPosts: () => number;
  readonly bodyBytes: () => number;
  readonly judgeIsReady: () => boolean;
  /** null: nothing judges. */
  readonly judge: ReloadableJudge | null;
  /** Left out: this process is alone. */
  readonly group?: GroupState;
}

const SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** What Prometheus reads. One registry a service, so that several can live in one process. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests: Counter;
  private readonly seconds: Histogram;
  private readonly stages: Histogram;
  private readonly labels: Counter;
  private readonly recovered: Counter;
  private readonly unfamiliar: Counter;
  private readonly corrupted: Counter;
  private readonly quality: Histogram;
  private readonly drift = { image: new QualityDrift(), text: new QualityDrift() };

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Counter({
      name: 'drf_requests_total',
      help: 'Requests that are over. Status 499: the client left before its answer.',
      labelNames: ['route', 'method', 'status'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'drf_request_seconds',
      help: 'From the headers of a request to the end of its answer',
      labelNames: ['route'],
      buckets: SECONDS,
      registers,
    });
    this.stages = new Histogram({
      name: 'drf_stage_seconds',
      help: 'Time of a post in a stage: decode, wait (for the judge), judge (beside others, where the model judges several at once)',
      labelNames: ['stage'],
      buckets: SECONDS,
      registers,
    });
    this.labels = new Counter({ name: 'drf_judgments_total', help: 'Judgments, by label', labelNames: ['label'], registers }); // prettier-ignore
    this.recovered = new Counter({
      name: 'drf_recovered_total',
      help: 'Judgments with a missing modality, by the one that was recovered',
      labelNames: ['modality'],
      registers,
    });
    this.unfamiliar = new Counter({ name: 'drf_unfamiliar_total', help: 'Judgments of posts unlike the training posts', registers }); // prettier-ignore
    this.corrupted = new Counter({
      name: 'drf_corrupted_total',
      help: 'Judged images and texts that look corrupted rather than intact',
      labelNames: ['modality'],
      registers,
    });
    this.quality = new Histogram({
      name: 'drf_quality',
      help: 'Quality of images and texts. Each decile of the calibration is a bucket: a tenth of the posts like those of training falls in each', // prettier-ignore
      labelNames: ['modality'],
      buckets: [...DECILES],
      registers,
    });
    const gauge = ({ aggregator, ...metric }: GaugeOptions): void => {
      const { name, help, labelNames, collect } = metric;
      new Gauge({
        name,
        help,
        labelNames: labelNames ?? [],
        aggregator: aggregator ?? 'sum',
        registers,
        collect() {
          this.reset();
          collect((value, labels = {}) => this.set(labels, value));
        },
      });
    };
    gauge({
      name: 'drf_quality_psi',
      help: 'Population stability index of the last 1000 qualities against the calibration (from 200 on): below 0.1 stable, from 0.25 on another population. Of several workers, the mean', // prettier-ignore
      labelNames: ['modality'],
      aggregator: 'average',
      collect: (set) => {
        for (const modality of MODALITIES) {
          const { index } = this.drift[modality];
          if (index !== null) set(index, { modality });
        }
      },
    });
    const { judge, group } = sources;
    const of = (name: string, help: string, value: () => number, aggregator?: Aggregator): void =>
      gauge({ name, help, aggregator, collect: (set) => set(value()) });
    of('drf_waiting_posts', 'Posts that are accepted and not yet judged', sources.waitingPosts);
    of('drf_body_bytes', 'Bytes of the bodies that are held', sources.bodyBytes);
    of('drf_judge_ready', 'Workers that judge posts: without --workers 1 or 0', () => Number(sources.judgeIsReady()));
    of('drf_workers', 'Processes that serve', () => 1);
    of('drf_workers_wanted', 'Processes that should serve', () => group?.workers ?? 1, 'max');
    of('drf_worker_restarts', 'How often a process that serves was started anew', () => group?.restarts() ?? 0, 'max');
    const worker = String(group?.worker ?? 1);
    const judging = (): JudgeProcessState | undefined => judge?.current.judge.process;
    gauge({
      name: 'drf_process_resident_memory_bytes',
      help: 'Resident memory of each process: of a worker the one that serves and the one that judges, and the one that watches over the workers', // prettier-ignore
      labelNames: ['worker', 'process'],
      aggregator: 'max',
      collect: (set) => {
        set(process.memoryUsage.rss(), { worker, process: 'serve' });
        const state = judging();
        if (state !== undefined) set(state.residentBytes, { worker, process: 'judge' });
        if (group !== undefined) set(group.primaryResidentBytes(), { worker: 'none', process: 'primary' });
      },
    });
    gauge({
      name: 'drf_build_info',
      help: '1, with the version of the service and of Node',
      labelNames: ['version', 'node'],
      aggregator: 'max',
      collect: (set) => set(1, { version: VERSION, node: process.version }),
    });
    if (judge === null) return;
    if (judging() !== undefined) {
      of('drf_judge_resident_memory_bytes', 'Resident memory of the judge’s process', () => judging()?.residentBytes ?? 0); // prettier-ignore
      of('drf_judge_restarts', 'How often the judge’s process was started anew', () => judging()?.restarts ?? 0);
    }
    gauge({
      name: 'drf_model_info',
      help: '1, with the model that judges; while workers take over a new one, both are there',
      labelNames: ['name', 'version', 'method', 'checkpoint', 'engine'],
      aggregator: 'max',
      collect: (set) => {
        const { identity, judge: judges } = judge.current;
        const { method, sources: from, engine } = judges.info;
        set(1, { ...identity, method, checkpoint: from.map(({ checkpoint }) => checkpoint).join(' + '), engine });
      },
    });
    of('drf_model_loaded_timestamp_seconds', 'When the model began to judge', () => judge.current.since / 1000, 'max');
    of('drf_reload_failed', 'Workers whose last reload of the model was refused', () => Number(judge.reloads.lastRefused)); // prettier-ignore
    new Counter({
      name: 'drf_reloads_total',
      help: 'Reloads of the model: switched, or refused (then the one before goes on)',
      labelNames: ['result'],
      registers,
      collect() {
        this.reset();
        this.inc({ result: 'switched' }, judge.reloads.switched);
        this.inc({ result: 'refused' }, judge.reloads.refused);
      },
    });
    judge.onSwitch(() => MODALITIES.forEach((modality) => this.drift[modality].clear()));
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  metrics(): Promise<string> {
    return this.registry.metrics();
  }

  /** For {@link aggregateMetrics}. */
  json(): Promise<MetricsOfOne> {
    return this.registry.getMetricsAsJSON();
  }

  onRequest(route: string, method: string, status: number, seconds: number): void {
    this.requests.inc({ route, method, status });
    this.seconds.observe({ route }, seconds);
  }

  onStage(stage: Stage, seconds: number): void {
    this.stages.observe({ stage }, seconds);
  }

  onJudgment(judgment: Judgment): void {
    const { label, recovered, unfamiliar, quality } = judgment;
    this.labels.inc({ label });
    if (recovered !== null) this.recovered.inc({ modality: recovered });
    if (unfamiliar === true) this.unfamiliar.inc();
    for (const modality of MODALITIES) {
      if (looksCorrupted(judgment, modality) === true) this.corrupted.inc({ modality });
      const share = quality[modality];
      if (share === null) continue;
      this.quality.observe({ modality }, share);
      this.drift[modality].add(share);
    }
  }
}
