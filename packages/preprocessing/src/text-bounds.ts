/**
 * Combining marks that are read of one run of them. To bring a run into canonical order takes Unicode normalization time
 * that grows with the square of its length; writing systems need fewer than ten, and Unicode's own stream-safe format
 * (UAX #15, 13) allows 30.
 */
export const MAXIMUM_MARKS = 128;

/** A text that can be normalized in time linear in its length: what a run of combining marks has beyond 128 is left out. */
export function boundMarks(text: string): string {
  return text.replace(/\p{M}+/gu, (run) => (run.length > MAXIMUM_MARKS ? wholeHead(run, MAXIMUM_MARKS) : run));
}

/** The first so many UTF-16 units of a text, one fewer where a character would be halved. */
function wholeHead(text: string, units: number): string {
  const splits = /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(units - 1, units + 1));
  return text.slice(0, splits ? units - 1 : units);
}

/**
 * The beginning of a text, up to a white space (or `▁`, which some normalizers write for it) where there is one, so that
 * no word is cut; a text that is short enough as it is.
 * @param units most UTF-16 units
 */
export function headOf(text: string, units: number): string {
  if (text.length <= units) return text;
  const head = wholeHead(text, units);
  const words = /^[^]*(?=[\s\u2581])/.exec(head)?.[0].trimEnd();
  return words === undefined || words === '' ? head : words;
}
