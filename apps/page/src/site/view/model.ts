import type { Model } from '../judge/connection.js';

/** Which model judges, and where. */
export function describeModel({ run, method, mode }: Model): string {
  return `Run “${run}”, method ${method}, judged ${mode === 'browser' ? 'in this browser' : 'by the service'}.`;
}

/** Where what the reader gives goes. */
export function describePrivacy({ mode }: Model): string {
  return mode === 'browser'
    ? 'Nothing that you give leaves this browser.'
    : 'What you give goes to the service that this page came from, and nowhere else.';
}
