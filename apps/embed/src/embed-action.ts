import { mergeConfig, openEmbedder, overridesFrom, parseExperiment, type Embedder } from '@drf/experiment';
import { assertLocalLocation, fetchFolder } from '@drf/storage';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';
import { EXIT, ExitRequest, interruptSignal, startProgress, type Progress, spell } from '@drf/terminal';
import { loadExperiment } from '@drf/training';
import { embedFile, type EmbedFileResult } from './embed-file.js';
import { featureFormat } from './feature-file.js';

import type { MainOptions } from './flags.js';

/** `drf embed`. @param print takes text for standard output */
export async function embedAction(input: string, options: MainOptions, print: (text: string) => void): Promise<void> {
  assertLocalLocation('--out', options.out);
  featureFormat(options.out); // before anything is opened
  const silent = options.quiet === true || options.json === true;
  const run = options.run === undefined ? undefined : await fetchFolder(options.run, { silent });
  const embedder = await open({ ...options, run });
  try {
    await embedAll(embedder, input, options, print);
  } finally {
    await embedder.dispose();
  }
}

/** The posts are those of the input, whatever an experiment is about. */
const NO_DATA = { dataset: { name: 'embedded' } };

/** @throws ConfigurationError for options that do not go together */
async function open(options: MainOptions): Promise<Embedder> {
  const { run, checkpoint, experiment, what, engine, allowDownload = false } = options;
  const overrides = overridesFrom(options);
  const refuse = refuser(ConfigurationError, 'embed');
  const remedy = `see ${spell('embed --help')}`;
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
