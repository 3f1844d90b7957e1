import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Judgment } from '@drf/judge';
import type { JudgeProcessState, Stage } from './work.js';

interface MetricSources {
  readonly waitingPosts: () => number;
  readonly bodyBytes: () => number;
  readonly judgeIsReady: () => boolean;
  /** Of the judge's process; left out: it has none of its own. */
  readonly process?: () => JudgeProcessState;
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
      help: 'Time of a post in a stage: decode, wait (for the judge), judge',
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
    gauge('drf_waiting_posts', 'Posts that are accepted and not yet judged', sources.waitingPosts);
    gauge('drf_body_bytes', 'Bytes of the bodies that are held', sources.bodyBytes);
    gauge('drf_judge_ready', '1 while posts are judged, else 0', () => Number(sources.judgeIsReady()));
    const { process } = sources;
    if (process !== undefined) {
      gauge('drf_judge_resident_memory_bytes', 'Resident memory of the judge’s process', () => process().residentBytes);
      gauge('drf_judge_restarts', 'How often the judge’s process was started anew', () => process().restarts);
    }

    function gauge(name: string, help: string, value: () => number): void {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    }
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  onRequest(route: string, method: string, status: number, seconds: number): void {
    this.requests.inc({ route, method, status });
    this.seconds.observe({ route }, seconds);
  }

  onStage(stage: Stage, seconds: number): void {
    this.stages.observe({ stage }, seconds);
  }

  onJudgment({ label, recovered, unfamiliar }: Judgment): void {
    this.labels.inc({ label });
    if (recovered !== null) this.recovered.inc({ modality: recovered });
    if (unfamiliar === true) this.unfamiliar.inc();
  }
}
