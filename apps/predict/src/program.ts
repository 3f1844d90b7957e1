import { POST_COLUMNS, TEXT_ENCODINGS } from '@drf/datasets/names';
import { MOST_CELLS } from '@drf/judge/explain';
import { addOwnOption } from '@drf/files';
import { addRunnerOptions } from '@drf/units/options';
import {
  collect,
  createProgram,
  engineOption,
  oneOf,
  spell,
  valuesByName,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { OUTPUT_FORMATS, STREAM_FORMATS, type MainOptions } from './flags.js';

/** The command that judges posts. */
export function createPredictProgram(): Command {
  const program = createProgram('predict', 'Judges posts of your own with a trained run.', [
    [spell('predict runs/quickstart --text "What a day!"'), 'one post: text, image, or both'],
    [spell('predict runs/quickstart --text "Look" --image cat.jpg --json'), 'the same for machines'],
    [
      spell('predict runs/quickstart --text "Look" --image cat.jpg --explain why.html'),
      'which words and parts of the image did it, also as a page',
    ],
    [
      spell('predict runs/quickstart posts.csv --out judged.csv'),
      'a table with columns text, image, and id if there is one',
    ],
    [
      `${spell('predict runs/quickstart - --quiet')} < posts.jsonl > judged.jsonl`,
      'standard input and output, line by line',
    ],
    [spell('predict runs/quickstart folder/ --out judged.parquet'), 'a folder: 12.jpg and 12.txt are one post'],
    [spell('predict exported posts.csv --out judged.csv'), 'by an export: the run itself is not needed'],
    [
      spell('predict runs/seed1 posts.csv --with runs/seed2 --out judged.csv'),
      'by several, whose probabilities are averaged',
    ],
    [spell('predict runs/quickstart posts/ --out judged/ --jobs 8'), 'parts in a folder, by eight processes'],
    [
      spell('predict s3://bucket/run s3://bucket/posts --out s3://bucket/judged --on ray://head:8265'),
      'parts in object storage, by a cluster',
    ],
  ])
    .argument('<run>', 'folder of a trained run, or an exported one; also s3://bucket/…')
    .argument(
      '[input]',
      'posts: a .jsonl, .csv, .tsv, .parquet or .tar file; a folder of these, or of images and texts, also s3://bucket/prefix; or - for standard input',
    )
    .option('--with <folder>', 'a further run or export, to judge together as an ensemble (repeat for more)', collect)
    .option('--text <text>', 'text of one post')
    .option('--image <file>', 'image of one post')
    .option(
      '--explain [file]',
      'also say which words and parts of the image moved the answer; with the name of an .html file, as a page, too',
    )
    .option('--explain-label <class>', 'the class to explain (default: the most probable one)')
    .option(
      '--explain-grid <count>',
      'rows, and columns, that the image is cut into (default: 7)',
      wholeNumber(1, MOST_CELLS),
    )
    .option(
      '--out <place>',
      'where the judged posts go: a file .jsonl, .csv or .parquet; a folder, or s3://bucket/prefix, for parts and _SUCCESS.json; - or nothing for standard output, a line as soon as it is judged',
    )
    .option(
      '--format <name>',
      `of standard input and output: ${STREAM_FORMATS.join(', ')} (default: jsonl); of parts: ${OUTPUT_FORMATS.join(', ')} (default: parquet)`,
      oneOf(OUTPUT_FORMATS),
    )
    .option('--root <folder>', 'folder that image paths are relative to (default: that of the file)')
    .option(
      '--encoding, --dataset.encoding <name>',
      `of a table or a folder's texts: auto, ${TEXT_ENCODINGS.join(', ')}`,
      oneOf(['auto', ...TEXT_ENCODINGS]),
      'auto',
    )
    .option(
      '--columns <names>',
      'which column is which, such as text=tweet,image=photo',
      valuesByName(POST_COLUMNS, 'text=tweet,image=photo'),
    )
    .option('--checkpoint <file>', "a checkpoint of the run (default: the run's result)")
    .addOption(engineOption('auto'))
    .option('--allow-download', 'fetch encoders that the run names and the cache lacks from the Hugging Face hub')
    .option(
      '--jobs <count>',
      'processes that judge at a time, with --on elsewhere units (default: as many as cores and memory allow, or one for four cores where a process judges several posts at once)',
      wholeNumber(1),
    )
    .option(
      '--shard-posts <count>',
      'posts that are judged and written as one part, and done again after an interruption (default: by how many there are)',
      wholeNumber(1),
    )
    .option('--resume', 'only go on with an unfinished job of this --out; the same command without it does so, too')
    .option('--overwrite', 'replace the output, and forget an unfinished job')
    .option('--raw-csv', 'texts in CSV as they are, also those that a spreadsheet would run as a formula')
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress');
  return addRunnerOptions(addOwnOption(program)).action(
    async (run: string, input: string | undefined, options: MainOptions) =>
      (await import('./predict-action.js')).predictAction(run, input, options),
  );
}
