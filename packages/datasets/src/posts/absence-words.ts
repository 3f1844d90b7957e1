/** What programs write into a cell that holds nothing (data frames, databases, spreadsheets); in lower case. */
const ABSENCE_WORDS = new Set([
  'null', 'nan', '-nan', 'none', 'nil', 'na', 'n/a', 'n.a.', '<na>', '#n/a', '#na', 'nat', 'undefined', '(null)', '\\n', '-',
]); // prettier-ignore

/** Whether a cell's content is a word for nothing, such as `nan`, `None`, `NULL` or `N/A`. */
export function isAbsenceWord(cell: string): boolean {
  return ABSENCE_WORDS.has(cell.trim().toLowerCase());
}
