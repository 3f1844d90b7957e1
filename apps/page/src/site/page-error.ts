/** What went wrong, in words for the reader of the page. */
export class PageError extends Error {
  override readonly name = 'PageError';
}

/** Words for any error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether work was given up because newer work took its place. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
