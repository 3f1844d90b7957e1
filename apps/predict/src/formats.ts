import { extname } from 'node:path';
import { ConfigurationError } from '@drf/tensor';

/** Formats of the output, by the ending of its name. */
export const OUTPUT_FORMATS = ['.jsonl', '.csv', '.parquet'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** @throws ConfigurationError when the ending is none of {@link OUTPUT_FORMATS} */
export function outputFormat(path: string): OutputFormat {
  const ending = extname(path).toLowerCase();
  const format = OUTPUT_FORMATS.find((known) => known === ending);
  if (format !== undefined) return format;
  throw new ConfigurationError({
    subject: '--out',
    expected: `a file that ends in ${OUTPUT_FORMATS.join(', ')}`,
    received: path,
    remedy: 'choose one of these endings',
  });
}
