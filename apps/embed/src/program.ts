import { join } from 'node:path';
import { POST_COLUMNS, TEXT_ENCODINGS, type ColumnNames, type EncodingChoice } from '@drf/datasets';
import {
  addConfigFlags,
  mergeConfig,
  openEmbedder,
  overridesFrom,
  parseExperiment,
  takeOwnModules,
  type EmbeddedPart,
  type Embedder,
} from '@drf/experiment';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';
import {
  createProgram,
  EXIT,
  ExitRequest,
  interruptSignal,
  oneOf,
  startProgress,
  valuesByName,
  type Command,
  type Progress,
} from '@drf/terminal';
import { loadExperiment } from '@drf/training';
import { embedFile, type EmbedFileResult } from './embed-file.js';
import { featureFormat } from './feature-file.js';

interface MainOptions extends Record<string, unknown> {
  readonly out: string;
  readonly run?: string;
  readonly checkpoint?: string;
  readonly experiment?: string;
  readonly what: EmbeddedPart;
  readonly root?: string;
  readonly encoding: EncodingChoice;
  readonly columns?: ColumnNames;
  readonly engine?: string;
  readonly cache: string | false;
  readonly allowDownload?: boolean;
  readonly overwrite?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Options of an experiment that decide features. */
const FEATURE_OPTIONS =
  /^(engine|dataset\.imageSize|encoders\.(image|text|options|revision|pooling|textLengths)(\.|$))/;

/** The posts are those of the input, whatever an experiment is about. */
const NO_DATA = { dataset: { name: 'embedded' } };

/** The command `embed`. @param print takes text for standard output */
export function createEmbedProgram(print: (text: string) => void = (text) => void process.stdout.write(text)): Command {
  const program = createProgram('embed', 'Writes the features of posts as Parquet or safetensors.', [
    ['pnpm embed posts.csv --out features.parquet', 'by the embedded encoders: a row a post, image and text feature'],
    [
      'pnpm embed folder/ --out features.safetensors',
      'matrices, with ids beside: a folder, 12.jpg and 12.txt are one post',
    ],
    ['pnpm embed posts.csv --out features.parquet --encoders.text my-minilm', 'by an encoder of your choice'],
    [
      'pnpm embed posts.csv --out features.parquet --run runs/quickstart',
      "by a run's encoders, fine-tuned ones included",
    ],
    [
      'pnpm embed posts.csv --out features.parquet --run runs/quickstart --what head',
      "what the run's head makes of them: image, text and fused, in one space",
    ],
  ])
    .argument('<input>', 'a .jsonl, .csv, .tsv or .parquet file of posts, or a folder of images and texts')
    .requiredOption('--out <file>', 'where the features go: .parquet or .safetensors')
    .option('--run <folder>', 'the encoders of a trained run, as it left them')
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
    .option('--cache <folder>', 'feature cache', join('cache', 'features'))
    .option('--no-cache', 'encode everything anew, and keep nothing')
    .option('--allow-download', 'fetch encoders that a run names and the cache lacks from the Hugging Face hub')
    .option('--overwrite', 'replace the output')
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress');
  addConfigFlags(program, (name) => FEATURE_OPTIONS.test(name));
  takeOwnModules(program).action(async (input: string, options: MainOptions) => {
    featureFormat(options.out); // before anything is opened
    const embedder = await open(options);
    try {
      await embedAll(embedder, input, options, print);
    } finally {
      await embedder.dispose();
    }
  });
  return program;
}

/** @throws ConfigurationError for options that do not go together */
async function open(options: MainOptions): Promise<Embedder> {
  const { run, checkpoint, experiment, what, engine, allowDownload = false } = options;
  const overrides = overridesFrom(options);
  const refuse = refuser(ConfigurationError, 'embed');
  const remedy = 'see pnpm embed --help';
  if (run === undefined) {
    for (const [name, given] of Object.entries({ '--checkpoint': checkpoint, '--what head': what === 'head' })) {
      if (given !== undefined && given !== false) throw refuse(`${name} with --run only`, 'no run', remedy);
    }
    const config =
      experiment === undefined
        ? parseExperiment(mergeConfig({ name: 'embed', ...NO_DATA }, overrides), 'embed')
        : await loadExperiment(experiment, mergeConfig(NO_DATA, overrides));
    return openEmbedder({ config, imageSize: config.dataset.imageSize });
  }
  const own = Object.keys(overrides).filter((name) => name !== 'engine');
  const others = [...(experiment === undefined ? [] : ['--experiment']), ...own.map((name) => `--${name}.…`)];
  if (others.length > 0) throw refuse('--run, which has its own encoders and image size', others.join(', '), remedy);
  return openEmbedder({
    run,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(engine === undefined ? {} : { engine }),
    allowDownload,
    part: what,
  });
}

async function embedAll(
  embedder: Embedder,
  input: string,
  options: MainOptions,
  print: (text: string) => void,
): Promise<void> {
  const { out, root, encoding, columns, cache, overwrite = false, quiet = false, json = false } = options;
  const silent = quiet || json;
  const say = (message: string): void => void (silent || process.stderr.write(`${message}\n`));
  const interrupt = interruptSignal(() => say('\nStopping (Ctrl-C again ends at once) …'));
  say(`Engine ${embedder.engine}; encoders ${embedder.image.id}, ${embedder.text.id}`);
  let progress: Progress | undefined;
  let first = true;
  let encoded = 0;
  try {
    const result = await embedFile({
      embedder,
      input,
      out,
      overwrite,
      encoding,
      ...(root === undefined ? {} : { root }),
      ...(columns === undefined ? {} : { columns }),
      ...(cache === false ? {} : { cache }),
      onCounting: () => say('Counting rows …'),
      onNote: (message) => say(`note: ${message}`),
      onEncoded: (contents) => (encoded = contents),
      onProgress: (done, total) => {
        progress ??= startProgress({ label: 'Embedding', total, unit: 'posts', initial: done - 1, silent });
        progress.update(done, `${encoded} encoded`);
      },
      onRejected: (row, detail) => {
        if (first) say(`row ${row} is left out: ${detail} (further ones go to the side file only)`);
        first = false;
      },
      signal: interrupt.signal,
    });
    progress?.stop();
    print(json ? `${JSON.stringify(result)}\n` : summary(result, cache !== false));
    if (result.outcome === 'interrupted') throw new ExitRequest(EXIT.interrupted);
    if (result.embedded === 0) throw nothingEmbedded(input, result.rejected);
  } finally {
    progress?.stop();
    interrupt.release();
  }
}

function nothingEmbedded(input: string, rejected: number): DataError {
  return refuser(DataError, `Embedding ${input}`)(
    'at least one post that can be read',
    rejected === 0 ? 'no posts' : `${rejected} rows that cannot`,
    rejected === 0 ? 'check the path' : 'see the reasons in the side file',
  );
}

function summary(result: EmbedFileResult, hasCache: boolean): string {
  const { outcome, rows, embedded, rejected, present, widths, out, ids, rejectedFile } = result;
  if (outcome === 'interrupted') {
    const kept = hasCache ? '; what was encoded is in the feature cache, and the same command goes on there' : '';
    return `Stopped after ${rows} rows; nothing was written${kept}.\n`;
  }
  const named = Object.entries(widths).map(([name, width]) => `${name} ${width}`);
  const lines = [
    `${embedded} posts embedded: ${present.image} with an image, ${present.text} with a text. Widths: ${named.join(', ')}.`,
    `Output: ${out}`,
    ...(ids === null ? [] : [`Ids of its rows: ${ids}`]),
    ...(rejectedFile === null ? [] : [`${rejected} rows could not be embedded, with reasons: ${rejectedFile}`]),
  ];
  return `${lines.join('\n')}\n`;
}
