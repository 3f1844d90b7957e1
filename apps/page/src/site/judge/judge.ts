import type { Judgment, PostContent } from '@drf/predict';

/** Whoever judges for the page: the service, or the browser itself. */
export interface Judge {
  /** @throws PageError when it cannot; the signal's reason when aborted */
  judge(content: PostContent, signal: AbortSignal): Promise<Judgment>;
}
