import {
  formatStrategy,
  moduleOf,
  parseStrategy,
  planDisruptions,
  presenceOf,
  type PostPresence,
} from '@drf/disruption';
import { writeManifest } from '@drf/disruption/manifest';
import { loadDefinition } from '@drf/files';
import { mapAhead, MODALITIES } from '@drf/tensor';
import { spell, startProgress, wholeNumber, withExamples, type Command } from '@drf/terminal';
import { addDatasetFlags, openFromFlags, type DatasetFlags } from './dataset-options.js';

interface DisruptFlags extends DatasetFlags {
  readonly strategy: string;
  readonly seed: number;
  readonly out: string;
  readonly json?: boolean;
}

const FILES_AHEAD = 64;

/** `data disrupt`: a manifest of what a strategy does to the posts of a data set. */
export function addDisruptCommand(program: Command, print: (text: string) => void): void {
  const command = program
    .command('disrupt')
    .description('Writes a manifest: what a strategy does to each post, for evaluations here or anywhere else.')
    .requiredOption(
      '--strategy <text>',
      'such as fixed:image:C, random:0.6:D, fixed:image:gaussian_noise@3, random:0.6:typos, missing:image=0.3:text=0.1',
    )
    .option('--seed <number>', 'decides every disruption', wholeNumber(), 0)
    .requiredOption('--out <file>', 'the manifest, JSON Lines');
  addDatasetFlags(command)
    .option('--json', 'print JSON only')
    .action((flags: DisruptFlags) => disrupt(flags, print));
  withExamples(command, [
    [
      spell('data disrupt --dataset mvsa-single --root DIR --strategy random:0.6:typos@2 --out typos.jsonl'),
      'typos of severity 2 in 60 % of the posts',
    ],
    [spell('eval RUN --split all --manifest typos.jsonl'), 'an evaluation under it'],
  ]);
}

async function disrupt(flags: DisruptFlags, print: (text: string) => void): Promise<void> {
  const module = moduleOf(flags.strategy);
  if (module !== undefined) await loadDefinition(module, 'disruption');
  const strategy = parseStrategy(flags.strategy); // before anything is read
  const dataset = await openFromFlags(flags);
  const progress = startProgress({
    label: 'Reading texts',
    total: dataset.records.length,
    unit: 'posts',
    silent: flags.quiet === true || flags.json === true,
  });
  const posts: PostPresence[] = [];
  try {
    const read = async (record: (typeof dataset.records)[number]): Promise<PostPresence> =>
      presenceOf({ ...record, text: await dataset.readText(record) });
    for await (const post of mapAhead(dataset.records, FILES_AHEAD, read)) {
      posts.push(post);
      progress.update(posts.length);
    }
  } finally {
    progress.stop();
  }
  const entries = planDisruptions(posts, strategy, flags.seed);
  const { imageSize: side } = flags;
  const header = { seed: flags.seed, strategy, imageSize: { width: side, height: side }, source: dataset.name };
  await writeManifest(flags.out, header, entries);
  const count = (operation: 'corrupt' | 'discard'): string =>
    MODALITIES.map((own) => `${own} ${entries.filter((entry) => entry.modality === own && entry.operation === operation).length}`).join(', '); // prettier-ignore
  const facts = {
    manifest: flags.out,
    strategy: formatStrategy(strategy),
    posts: posts.length,
    whole: posts.filter(({ hasImage, hasText }) => hasImage && hasText).length,
    disrupted: entries.length,
    corrupted: count('corrupt'),
    discarded: count('discard'),
  };
  if (flags.json === true) return print(`${JSON.stringify(facts, null, 2)}\n`);
  const { manifest, whole, corrupted, discarded } = facts;
  print(
    `${entries.length} of ${whole} posts with image and text (${posts.length} in all): corrupted ${corrupted}; discarded ${discarded}\n${manifest}\n`,
  );
}
