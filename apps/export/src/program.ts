import { stat } from 'node:fs/promises';
import { takeOwnModules } from '@drf/experiment/options';
import type { BatchSize, ExportResult } from '@drf/export';
import { PRECISIONS, type Precision } from '@drf/export/names';
import { withMembers } from '@drf/files';
import type { Modality } from '@drf/tensor';
import {
  collect,
  type Command,
  createProgram,
  EXIT,
  ExitRequest,
  interruptSignal,
  oneOf,
  Option,
  spell,
  startJob,
  wholeNumber,
} from '@drf/terminal';

interface EncoderOptions {
  readonly modality: Modality;
  readonly out: string;
  readonly overwrite?: boolean;
  readonly revision?: string;
  readonly allowDownload?: boolean;
  readonly json?: boolean;
}

/** Adds `export encoder`. @param print takes text for standard output */
function addEncoderCommand(program: Command, print: (text: string) => void): void {
  takeOwnModules(program.command('encoder'))
    .description('write an encoder as a folder that transformers.js and Python open')
    .argument('<model>', 'hub id or folder of a ViT, DeiT, BERT, RoBERTa or DistilBERT, or a run that trained one')
    .addOption(new Option('--modality <name>', 'what it reads').choices(['image', 'text']).makeOptionMandatory())
    .requiredOption('--out <folder>', 'folder to write')
    .option('--overwrite', 'replace an export that is there already')
    .option('--allow-download', 'fetch the model that a run trained, if the cache lacks it, from the Hugging Face hub')
    .option('--revision <name>', 'branch, tag or commit on the hub')
    .option('--json', 'print the paths as JSON')
    .action(async (model: string, { modality, json, allowDownload = false, ...options }: EncoderOptions) => {
      const { encoderOfRun, exportEncoder, isRun } = await import('@drf/export'); // late: help and wrong options take no time
      const onStep = (message: string): void => void (json === true || process.stderr.write(`${message} …\n`));
      const trained = isRun(model) ? await encoderOfRun(model, modality, allowDownload) : undefined;
      const name = trained?.model ?? model.replace(/^huggingface:/, '');
      // a model that is named here may be fetched
      const localFilesOnly = trained !== undefined && !allowDownload;
      const files = await exportEncoder(name, modality, { ...options, ...trained, localFilesOnly, onStep });
      if (json === true) return print(`${JSON.stringify({ files })}\n`);
      for (const file of files)
        print(`${file}  ${Math.ceil((await stat(file)).size / 1000).toLocaleString('en-US')} kB\n`);
    });
}

interface ProgramOptions {
  readonly with?: readonly string[];
  readonly precision: Precision;
  readonly measure: number;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly checkpoint?: string;
  readonly headOnly?: boolean;
  readonly examples?: boolean;
  readonly batch: BatchSize;
  readonly tokens?: number;
  readonly json?: boolean;
}

/** The command line of this app. @param print takes text for standard output */
export function createExportProgram(
  print: (text: string) => void = (text) => void process.stdout.write(text),
): Command {
  const program = createProgram(
    'export',
    'Writes a trained run as standard ONNX files, with a card that explains them to other programs.',
    [
      [spell('export runs/quickstart --out onnx/quickstart'), 'head.onnx, model.onnx, card.json and what they need'],
      [spell('export runs/quickstart --out onnx/small --precision int8'), 'a third of the bytes, and what that costs'],
      [spell('export runs/mvsa --out onnx/mvsa --head-only --batch 1'), 'the head alone, for one post at a time'],
      [spell('export runs/mvsa-folds5 --out onnx/mvsa'), 'an ensemble: a model for each fold, which judge together'],
      [spell('export runs/seed1 --with runs/seed2 --out onnx/both'), 'the same of any runs'],
      [spell('export encoder my-bert --modality text --out onnx/bert'), 'an encoder for transformers.js and Python'],
    ],
  );
  takeOwnModules(program)
    .enablePositionalOptions() // what stands behind a subcommand is the subcommand's
    .argument('<run>', 'folder of a trained run, or of an ensemble of runs; also s3://bucket/…')
    .option('--with <run>', 'a further run, to judge together as an ensemble (repeat for more)', collect)
    .option('--out <folder>', 'folder to write (required)')
    .option('--overwrite', 'replace an export that is there already')
    .option('--checkpoint <file>', "a checkpoint (default: the run's best, else its last)")
    .option('--allow-download', 'fetch encoders that the run names and the cache lacks from the Hugging Face hub')
    .option('--head-only', 'leave the encoders out')
    .option('--examples', 'copy the example posts of the run, too: whoever gets the export can then see them')
    .addOption(
      new Option('--batch <size>', 'posts at once: a number, or "dynamic" for any')
        .default('dynamic')
        .argParser((value: string): BatchSize => (value === 'dynamic' ? value : wholeNumber(1, 4096)(value))),
    )
    .option('--tokens <count>', 'word pieces of a text that model.onnx reads (default: all it can)', wholeNumber(1))
    .option('--precision <name>', `of stored weights: ${PRECISIONS.join(', ')}`, oneOf(PRECISIONS), 'float32')
    .option(
      '--measure <posts>',
      'validation posts that are judged in float32, too, to say what another precision costs; 0: none',
      wholeNumber(0),
      200,
    )
    .option('--json', 'print the card instead of a summary')
    .action(async (named: string, { json, out, with: further = [], ...options }: ProgramOptions) => {
      // commander's own required options would be asked of subcommands, too
      if (out === undefined) return program.error("error: required option '--out <folder>' not specified");
      const { assertLocalLocation, fetchFolder, fetchFolders } = await import('@drf/storage');
      assertLocalLocation('--out', out);
      const run = await fetchFolder(named, { silent: json });
      const others = await fetchFolders(further, { silent: json });
      const onProgress = (message: string): void => void (json === true || process.stderr.write(`${message} …\n`));
      const { exportEnsemble, exportRun } = await import('@drf/export');
      const interrupt = interruptSignal(() => process.stderr.write('\nStopping (Ctrl-C again ends at once) …\n'));
      const measuring = startJob({ label: 'Measuring', unit: 'posts', silent: json === true });
      const { signal } = interrupt;
      const exporting = { ...options, out, onProgress, onMeasured: measuring.update, signal };
      try {
        const members = await withMembers([run, ...others]);
        if (members.length > 1) {
          const ensemble = await exportEnsemble([run, ...others], exporting);
          const cards = ensemble.members.map(({ card }) => card);
          if (json === true) return print(`${JSON.stringify({ members: cards }, null, 2)}\n`);
          const summaries = await Promise.all(ensemble.members.map(summary));
          return print(`${summaries.join('')}${ensemble.ensemble}\n`);
        }
        const result = await exportRun(run, exporting);
        print(json === true ? `${JSON.stringify(result.card, null, 2)}\n` : await summary(result));
      } catch (error) {
        throw signal.aborted ? new ExitRequest(EXIT.interrupted) : error;
      } finally {
        measuring.stop();
        interrupt.release();
      }
    });
  addEncoderCommand(program, print);
  return program;
}

async function summary({ card, written }: ExportResult): Promise<string> {
  const sizes = await Promise.all(written.map(async (path) => `${path}  ${kilobytes((await stat(path)).size)}\n`));
  return [...sizes, ...(card.notes ?? []).map((note) => `${note}\n`)].join('');
}

function kilobytes(bytes: number): string {
  return `${Math.ceil(bytes / 1000).toLocaleString('en-US')} kB`;
}
