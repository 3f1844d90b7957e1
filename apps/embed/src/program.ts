import { join } from 'node:path';
import { POST_COLUMNS, TEXT_ENCODINGS } from '@drf/datasets/names';
import { addConfigFlags, takeOwnModules } from '@drf/experiment/options';
import { cacheFolder } from '@drf/files';
import { createProgram, oneOf, spell, valuesByName, type Command } from '@drf/terminal';
import type { MainOptions } from './flags.js';

/** Options of an experiment that decide features. */
const FEATURE_OPTIONS =
  /^(engine|dataset\.imageSize|encoders\.(image|text|options|revision|pooling|precision|imageSize|textLengths)(\.|$))/;

/** The command `embed`. @param print takes text for standard output */
export function createEmbedProgram(print: (text: string) => void = (text) => void process.stdout.write(text)): Command {
  const program = createProgram('embed', 'Writes the features of posts as Parquet or safetensors.', [
    [spell('embed posts.csv --out features.parquet'), 'by the embedded encoders: a row a post, image and text feature'],
    [
      spell('embed folder/ --out features.safetensors'),
      'matrices, with ids beside: a folder, 12.jpg and 12.txt are one post',
    ],
    [spell('embed posts.csv --out features.parquet --encoders.text my-minilm'), 'by an encoder of your choice'],
    [
      spell('embed posts.csv --out features.parquet --run runs/quickstart'),
      "by a run's encoders, fine-tuned ones included",
    ],
    [
      spell('embed posts.csv --out features.parquet --run runs/quickstart --what head'),
      "what the run's head makes of them: image, text and fused, in one space",
    ],
  ])
    .argument('<input>', 'a .jsonl, .csv, .tsv or .parquet file of posts, or a folder of images and texts')
    .requiredOption('--out <file>', 'where the features go: .parquet or .safetensors')
    .option('--run <folder>', 'the encoders of a trained run, as it left them; also s3://bucket/…')
    .option('--checkpoint <file>', "a checkpoint of the run (default: the run's result)")
    .option('--experiment <name>', 'the encoders of an experiment, a name or a .json, .js or .ts file')
    .option(
      '--what <part>',
      "encoder: the encoders' outputs; head: what a run's head makes of them (drf and its kin)",
      oneOf(['encoder', 'head']),
      'encoder',
    )
    .option('--root <folder>', 'folder that image paths are relative to (default: that of the file)')
    .option(
      '--encoding <name>',
      `of a table or a folder's texts: auto, ${TEXT_ENCODINGS.join(', ')}`,
      oneOf(['auto', ...TEXT_ENCODINGS]),
      'auto',
    )
    .option(
      '--columns <names>',
      'which column is which, such as text=tweet,image=photo',
      valuesByName(POST_COLUMNS, 'text=tweet,image=photo'),
    )
    .option(
      '--cache <folder>',
      'feature cache; s3://bucket/… shares one between machines',
      join(cacheFolder(), 'features'),
    )
    .option('--no-cache', 'encode everything anew, and keep nothing')
    .option('--allow-download', 'fetch encoders that a run names and the cache lacks from the Hugging Face hub')
    .option('--overwrite', 'replace the output')
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress');
  addConfigFlags(program, (name) => FEATURE_OPTIONS.test(name));
  return takeOwnModules(program)
    .allowExcessArguments() // refused below, with what those who begin with a run, as of other commands, look for
    .action(async (input: string, options: MainOptions, command: Command) => {
      if (command.args.length > 1) command.error(`error: expected one input, received ${command.args.length}; a run is named by --run ${input}`); // prettier-ignore
      return (await import('./embed-action.js')).embedAction(input, options, print);
    });
}
