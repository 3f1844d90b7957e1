import { basename } from 'node:path';
import {
  notesOnRun,
  assertEncoders,
  openRun,
  readCalibration,
  RunFolder,
  standIn,
  startSession,
  trainedEncoders,
  type OpenedRun,
  type RunDescription,
  type Session,
} from '@drf/experiment';
import { fileHash } from '@drf/files';
import {
  describeCalibration,
  type Calibration,
  type Judge,
  type JudgeInfo,
  type Judgment,
  type OpenOptions,
  type PostContent,
  type PostInput,
  toPostContent,
} from '@drf/judge';
import { describeVerdict, type RawVerdict } from '@drf/judge/judgment';
import {
  intactProbabilities,
  tellsStates,
  type EncodedBatchInputs,
  type MethodParameters,
  type Prediction,
} from '@drf/model';
import {
  byModality,
  type ByModality,
  type Host,
  type HostTensor,
  type HostTree,
  type RgbImage,
  type Program,
  type TensorTree,
} from '@drf/tensor';
import { ContentReader } from './content-reader.js';
import { gathered } from './gather.js';

/**
 * Posts that are read together at most: enough for texts to meet others of their length. A batch is computed while the next
 * one is prepared.
 */
const MOST_TOGETHER = 32;

type HeadConstants = { readonly parameters: MethodParameters; readonly memory?: TensorTree };
type HeadInputs = { readonly batch: EncodedBatchInputs };
type HeadOutputs = { readonly probabilities: Prediction['probabilities']; readonly details: TensorTree };

/** What a judge needs of an opened run. */
interface JudgedRun extends Pick<OpenedRun, 'method' | 'parameters' | 'memory' | 'checkpoint'> {
  readonly folder: { readonly path: string };
  readonly description: Pick<RunDescription, 'config' | 'classes' | 'encoders'>;
}

/**
 * A trained run that judges posts. Contents of posts that are judged at once go through an encoder together where it gives
 * each, to the last bit, what it gives of it alone; each post goes through the head alone. So a verdict never depends on
 * what else is judged, or on how many at once.
 */
export class RunJudge implements Judge {
  private readonly encode: (post: PostContent) => Promise<Host<EncodedBatchInputs>>;

  private constructor(
    readonly info: JudgeInfo,
    private readonly run: JudgedRun,
    private readonly session: Session,
    private readonly readers: Readers,
    private readonly head: Program<HeadInputs, HeadOutputs>,
  ) {
    const { preferredBatch = 1 } = info;
    this.encode = gathered(Math.min(preferredBatch, MOST_TOGETHER), (posts) => this.encodeTogether(posts));
  }

  /**
   * @throws as `openRun` and `startSession`; ConfigurationError when this installation's encoders are not those of the run
   */
  static async open(run: string, options: OpenOptions = {}): Promise<RunJudge> {
    const { config, encoders: ids } = await (await RunFolder.open(run)).readDescription();
    const session = await startSession(
      { encoders: config.encoders, engine: options.engine ?? 'auto' },
      { threads: options.threads, recorded: { ids, allowDownload: options.allowDownload ?? false } },
    );
    try {
      const opened = await openRun(run, options.checkpoint, async () => trainedEncoders(session));
      const calibration = await readCalibration(opened.folder, basename(opened.checkpoint));
      return await RunJudge.of(opened, session, calibration, await fileHash(opened.checkpoint));
    } catch (error) {
      await session.dispose();
      throw error;
    }
  }

  /**
   * A judge from parts that the caller has opened; it takes the session over, and disposes of it in the end.
   * @param sha256 of the checkpoint's bytes, for {@link JudgeInfo.sources}
   * @throws ConfigurationError when the session's encoders are not those of the run, and when the method reads tokens and
   *   an encoder gives none
   */
  static async of(run: JudgedRun, session: Session, calibration: Calibration | null, sha256 = ''): Promise<RunJudge> {
    assertEncoders(run.folder.path, run.description.encoders, session);
    const readers = readersOf(session, run.method.needs?.tokens === true); // refuses before anything is held
    const known = tellsStates(run.parameters);
    const head = await session.engine.prepare<HeadConstants, HeadInputs, HeadOutputs>(
      ({ parameters, memory = {} }, { batch }) => {
        const { probabilities, details } = run.method.predict(parameters, batch, memory);
        return { probabilities, details: { ...chosenDetails(details), intact: intactProbabilities(details, known) } };
      },
      { parameters: run.parameters, memory: run.memory },
    );
    try {
      await warmUp(session);
    } catch (error) {
      await head.dispose();
      throw error;
    }
    const preferredBatch = readers.image.readsTogether || readers.text.readsTogether ? 2 * MOST_TOGETHER : 1;
    const info = { ...describeRun(run, session, calibration, sha256), preferredBatch };
    return new RunJudge(info, run, session, readers, head);
  }

  async judge(given: PostInput): Promise<Judgment> {
    const post = await toPostContent(given, this.info);
    const outputs = await this.head.run({ batch: await this.encode(post) });
    const raw = rawVerdict(outputs);
    const ready = (this.run.memory['ready'] as HostTensor | undefined)?.data[0] !== 0;
    const { classes, calibration } = this.info;
    return describeVerdict(ready ? raw : { ...raw, logDensity: null }, post, classes, calibration);
  }

  async close(): Promise<void> {
    await this.head.dispose();
    await this.session.dispose();
  }

  private async encodeTogether(given: readonly PostContent[]): Promise<Host<EncodedBatchInputs>[]> {
    const fills = this.run.method.needs?.bothModalities === true;
    const posts = fills ? given.map((post) => this.filled(post)) : given;
    const [images, texts] = await Promise.all([
      this.readers.image.inputs(posts.map(({ image }) => image)),
      this.readers.text.inputs(posts.map(({ text }) => text)),
    ]);
    return images.map((image, i) => ({ image, text: texts[i] as Host<EncodedBatchInputs['text']> }));
  }

  /**
   * For methods that cannot take a missing modality: a black image or a text of one mask stands in. How many words a
   * text would have had is not known here, as it is where an evaluation discards one.
   */
  private filled({ image, text }: PostContent): PostContent {
    const { maskToken } = this.session.text;
    return {
      image: image ?? (standIn('image', maskToken) as RgbImage),
      text: text ?? (standIn('text', maskToken) as string),
    };
  }
}

/** Has encoders make what the first posts would wait for; both have ended then. */
async function warmUp({ image, text }: Session): Promise<void> {
  const frozen = [image, text].filter((encoder) => !encoder.trainable);
  const outcomes = await Promise.allSettled(frozen.map(async (encoder) => encoder.warmUp?.()));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

interface Readers {
  readonly image: ContentReader<RgbImage>;
  readonly text: ContentReader<string>;
}

/** @throws ConfigurationError when tokens are read, and a frozen encoder gives none */
function readersOf({ image, text }: Session, readsTokens: boolean): Readers {
  const options = { readsTokens, maskToken: text.maskToken };
  return { image: new ContentReader<RgbImage>(image, options), text: new ContentReader<string>(text, options) };
}

function describeRun(run: JudgedRun, session: Session, calibration: Calibration | null, sha256: string): JudgeInfo {
  const { classes, encoders, config } = run.description;
  const { path: folder } = run.folder;
  return {
    name: basename(folder),
    sources: [{ kind: 'run', folder, checkpoint: basename(run.checkpoint), sha256 }],
    classes,
    method: run.method.id,
    encoders,
    imageSize: config.dataset.imageSize,
    maskToken: session.text.maskToken,
    engine: session.engine.name,
    calibration,
    notes: [...notesOnRun(run), ...describeCalibration(calibration)],
  };
}

/** Weights and the densities of the post's own features, where the method has them. */
function chosenDetails({ weights, logDensity }: TensorTree): TensorTree {
  const { image, text } = (logDensity ?? {}) as TensorTree;
  return {
    ...(weights === undefined ? {} : { weights }),
    ...(image === undefined || text === undefined ? {} : { image, text }),
  };
}

function rawVerdict({ probabilities, details }: HostTree): RawVerdict {
  const { intact = {}, ...others } = (details ?? {}) as HostTree;
  const { weights, image, text } = others as { readonly [name: string]: HostTensor | undefined };
  const known = intact as Partial<ByModality<HostTensor>>;
  const only = (tensor: HostTensor): number => tensor.data[0] as number;
  return {
    probabilities: (probabilities as HostTensor).data,
    logDensity: image === undefined || text === undefined ? null : { image: only(image), text: only(text) },
    intact: byModality((modality) => known[modality]?.data[0] ?? null),
    pairWeights: weights?.data ?? null,
  };
}
