import { escapeControls, type ServiceLog } from '@drf/service';
import { DrfError } from '@drf/tensor';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** Writes a line of the log, in the form of the service's own. */
export type WriteLog = (level: (typeof LEVELS)[number], message: string, fields?: object) => void;

/** @param worker which one of several writes */
export function logWriter(log: ServiceLog | undefined, worker?: number): WriteLog {
  const lowest = LEVELS.findIndex((level) => level === log?.level);
  return (level, message, fields = {}) => {
    if (log === undefined || lowest === -1 || LEVELS.indexOf(level) < lowest) return;
    const line = { level, time: new Date().toISOString(), ...(worker === undefined ? {} : { worker }), ...fields };
    log.stream.write(escapeControls(`${JSON.stringify({ ...line, msg: message })}\n`));
  };
}

/** An error as the log has it: what was thrown on purpose says all in its message, other errors need their stack. */
export function loggedError(error: unknown): object {
  if (error instanceof DrfError) return { err: error.message };
  return { err: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
