import { streamPosts, type Dataset, type StreamOptions } from '@drf/datasets';
import { createRandom } from '@drf/tensor';
import { formatTable, wholeNumber, withExamples, type Command, spell } from '@drf/terminal';
import { addDatasetFlags, openFromFlags, progressFor, type DatasetFlags } from './dataset-options.js';
import { generateDataset } from './generated.js';

interface StreamFlags extends DatasetFlags {
  readonly generate?: number;
  readonly batchSize: number;
  readonly ahead?: number;
  readonly shuffle?: number;
  readonly limit?: number;
  readonly json?: boolean;
}

/** What a reading of all posts cost. */
export interface StreamMeasurement {
  readonly dataset: string;
  readonly posts: number;
  readonly batches: number;
  readonly rowErrors: number;
  readonly seconds: number;
  readonly postsPerSecond: number;
  /** Largest resident memory of the process, in MiB. */
  readonly peakMemory: number;
}

export function addStreamCommand(program: Command, print: (text: string) => void): void {
  const command = program
    .command('stream')
    .description('Reads every post in batches as training does, and prints rate, unreadable posts and peak memory.');
  addDatasetFlags(command)
    .option('--generate <posts>', 'so many generated posts instead of a data set', wholeNumber(1))
    .option('--batch-size <posts>', 'posts in a batch', wholeNumber(1), 16)
    .option('--ahead <posts>', 'posts decoded ahead of use (default: twice the batch)', wholeNumber(1))
    .option('--shuffle <seed>', 'shuffle by this seed', wholeNumber())
    .option('--limit <posts>', 'stop after so many', wholeNumber(1))
    .option('--json', 'print JSON only')
    .action((flags: StreamFlags) => stream(flags, print));
  withExamples(command, [
    [spell('data stream --dataset mvsa-single --root DIR'), 'how fast posts can be read'],
    [spell('data stream --generate 195265'), "memory at TumEmo's size (some minutes)"],
  ]);
}

async function stream(flags: StreamFlags, print: (text: string) => void): Promise<void> {
  const dataset =
    flags.generate === undefined ? await openFromFlags(flags) : await generateDataset(flags.generate, flags.imageSize);
  const measurement = await measure(dataset, flags);
  if (flags.json === true) return print(`${JSON.stringify(measurement)}\n`);
  const { posts, batches, rowErrors, seconds, postsPerSecond, peakMemory } = measurement;
  const rows = [[posts, batches, rowErrors, seconds.toFixed(1), postsPerSecond.toFixed(0), peakMemory.toFixed(0)]];
  print(`${formatTable(['posts', 'batches', 'unreadable', 'seconds', 'posts/s', 'peak memory, MiB'], rows)}\n`);
}

async function measure(dataset: Dataset, flags: StreamFlags): Promise<StreamMeasurement> {
  const progress = progressFor('Reading posts', flags);
  const records = dataset.records.slice(0, flags.limit);
  const startedAt = performance.now();
  let [posts, batches, rowErrors] = [0, 0, 0];
  const options: StreamOptions = {
    batchSize: flags.batchSize,
    onRowError: () => void rowErrors++,
    ...(flags.ahead === undefined ? {} : { ahead: flags.ahead }),
    ...(flags.shuffle === undefined ? {} : { shuffle: { random: createRandom(flags.shuffle), epoch: 0 } }),
  };
  for await (const batch of streamPosts(dataset, records, options)) {
    posts += batch.length;
    batches++;
    progress.update(posts + rowErrors, records.length);
  }
  progress.stop();
  const seconds = (performance.now() - startedAt) / 1000;
  const peakMemory = process.resourceUsage().maxRSS / 1024;
  return { dataset: dataset.name, posts, batches, rowErrors, seconds, postsPerSecond: posts / seconds, peakMemory };
}
