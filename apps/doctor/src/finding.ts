/** How a finding is to be taken: fine; works, but look at it; stops the default use; optional and not there. */
export type Mark = 'good' | 'warning' | 'problem' | 'absent';

interface Observation {
  /** The group of lines that it belongs to. */
  readonly topic: string;
  /** What was looked at. */
  readonly subject: string;
  /** What was found, in a few words. */
  readonly found: string;
}

/** One line of the report. What is not fine says what to do about it. */
export type Finding = Observation &
  (
    | { readonly mark: 'good'; readonly advice?: undefined }
    | { readonly mark: Exclude<Mark, 'good'>; readonly advice: string }
  );

export interface Report {
  readonly format: 1;
  /** Whether nothing stops the default use. */
  readonly ok: boolean;
  readonly seconds: number;
  readonly findings: readonly Finding[];
}

export function makeReport(findings: readonly Finding[], seconds: number): Report {
  return { format: 1, ok: findings.every(({ mark }) => mark !== 'problem'), seconds, findings };
}
