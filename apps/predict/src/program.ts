import { POST_COLUMNS, TEXT_ENCODINGS } from '@drf/datasets/names';
import { MOST_CELLS } from '@drf/judge/explain';
import { ENGINE_NAMES } from '@drf/tensor';
import { addOwnOption } from '@drf/files';
import { collect, createProgram, oneOf, spell, valuesByName, wholeNumber, type Command } from '@drf/terminal';
import { STREAM_FORMATS, type MainOptions } from './flags.js';

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
    [spell('predict runs/quickstart posts.jsonl --out judged.jsonl --resume'), 'go on after an interruption'],
  ])
    .argument('<run>', 'folder of a trained run, or an exported one; also s3://bucket/…')
    .argument(
      '[input]',
      'a .jsonl, .csv, .tsv or .parquet file of posts, a folder of images and texts, or - for standard input',
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
      '--out <file>',
      'where the judged posts go: .jsonl, .csv or .parquet; - or nothing for standard output, a line as soon as it is judged',
    )
    .option(
      '--format <name>',
      `of standard input and output: ${STREAM_FORMATS.join(', ')} (default: jsonl)`,
      oneOf(STREAM_FORMATS),
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
    .option('--engine <name>', ENGINE_NAMES.join(', '), oneOf(ENGINE_NAMES), 'auto')
    .option('--allow-download', 'fetch encoders that the run names and the cache lacks from the Hugging Face hub')
    .option('--resume', 'go on with the unfinished job of this --out')
    .option('--overwrite', 'replace the output, and forget an unfinished job')
    .option('--raw-csv', 'texts in CSV as they are, also those that a spreadsheet would run as a formula')
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress');
  return addOwnOption(program).action(async (run: string, input: string | undefined, options: MainOptions) =>
    (await import('./predict-action.js')).predictAction(run, input, options),
  );
}
