import type { Judgment, PostContent } from '@drf/judge';
import type { RgbImage } from '@drf/tensor';
import { contentOf, decodeImage, EMPTY_POST, type PostState } from './content.js';
import { Connection, isAbort, messageOf, type Model } from './judge/connection.js';
import { BrowserJudge, type Judge, ServiceJudge } from './judge/judges.js';
import { Latest } from './judge/latest.js';
import { byId } from './view/dom.js';
import { Editor } from './view/editor.js';
import {
  askForToken,
  describeModel,
  describePrivacy,
  type Example,
  load,
  showExamples,
  showLoading,
} from './view/opening.js';
import { VerdictView } from './view/verdict.js';

/** Milliseconds of rest before a post is judged. */
const REST = 120;

/** Opens the model; where the service wants a token, the reader is asked for it. */
async function connect(): Promise<{ connection: Connection; model: Model }> {
  return askForToken(async (token) => {
    const connection = new Connection(token);
    return { connection, model: await connection.model() };
  });
}

async function openJudge(connection: Connection, { card }: Model): Promise<Judge> {
  if (card === null) return new ServiceJudge(connection);
  const loading = showLoading();
  try {
    return await BrowserJudge.load(connection, card, loading.progress);
  } finally {
    loading.end();
  }
}

/** The post on the page, judged anew whenever it changes. */
class Page {
  private state = EMPTY_POST;
  private files = 0;
  private judge: Judge | undefined;
  private readonly editor: Editor;
  private readonly latest: Latest<PostContent, { judgment: Judgment; milliseconds: number }>;

  constructor(
    private readonly model: Model,
    private readonly verdict: VerdictView,
  ) {
    this.editor = new Editor({
      onChange: (change) => this.change(change),
      onFile: (file) => void this.takeFile(file),
      onRestore: () => this.change({ isOn: EMPTY_POST.isOn, fraction: EMPTY_POST.fraction, seed: EMPTY_POST.seed }),
    });
    this.editor.setLongestText(model.textCharacters);
    this.latest = new Latest({
      delay: REST,
      work: async (content, signal) => {
        const started = performance.now();
        const judgment = await (this.judge as Judge).judge(content, signal);
        return { judgment, milliseconds: performance.now() - started };
      },
      onDone: ({ judgment, milliseconds }) => {
        this.setBusy(false);
        this.verdict.show(judgment, milliseconds);
      },
      onFail: (error) => {
        this.setBusy(false);
        this.verdict.notice(messageOf(error), true);
      },
    });
  }

  /** From here on posts are judged. */
  begin(judge: Judge): void {
    this.judge = judge;
    this.change({}, true);
  }

  change(change: Partial<PostState>, atOnce = false): void {
    this.state = { ...this.state, ...change };
    const { maskToken } = this.model;
    const content = contentOf(this.state, maskToken);
    this.editor.show(this.state, content, maskToken);
    if (this.judge === undefined) return;
    if (content.image === null && content.text === null) {
      this.latest.cancel();
      this.setBusy(false);
      this.verdict.notice('Nothing to judge: give the post an image or a text.');
    } else {
      this.setBusy(true);
      this.latest.submit(content, atOnce);
    }
  }

  /** Takes an example unless the reader has begun by themselves. */
  async offerExample(example: Example, file: Blob | null): Promise<void> {
    if (this.state === EMPTY_POST) await this.takeExample(example, file);
  }

  async takeExample({ text }: Example, file: Blob | null): Promise<void> {
    const change = { text: text ?? '', isOn: EMPTY_POST.isOn, fraction: EMPTY_POST.fraction };
    if (file !== null) return this.takeFile(file, change);
    this.files++; // an image that is still being decoded comes too late
    this.editor.showImageError('');
    this.change({ ...change, image: null });
  }

  /** The last file that was given wins, however long an earlier one takes to decode. */
  private async takeFile(file: Blob, change: Partial<PostState> = {}): Promise<void> {
    const mine = ++this.files;
    const decoded = await this.decode(file);
    if (mine !== this.files || decoded === undefined) return;
    const isOn = { ...this.state.isOn, image: true };
    this.change({ isOn, ...change, image: decoded });
  }

  private async decode(file: Blob): Promise<RgbImage | undefined> {
    try {
      const image = await decodeImage(file, this.model.imageSize);
      this.editor.showImageError('');
      return image;
    } catch (error) {
      this.editor.showImageError(messageOf(error));
      return undefined;
    }
  }

  private setBusy(isBusy: boolean): void {
    byId('verdict').setAttribute('aria-busy', String(isBusy));
  }
}

async function start(): Promise<void> {
  const { connection, model } = await connect();
  byId('model').textContent = describeModel(model);
  byId('privacy').textContent = describePrivacy(model);
  const page = new Page(model, new VerdictView(model.distributions));
  const own = await connection.examples(model).catch(() => []);
  const examples = await showExamples(own, (example, image) => void page.takeExample(example, image));
  const [first] = examples;
  if (first !== undefined) await page.offerExample(first, await load(first));
  page.begin(await openJudge(connection, model));
}

start().catch((error: unknown) => {
  if (isAbort(error)) return;
  byId('verdict').setAttribute('aria-busy', 'false');
  byId('model').textContent = '';
  new VerdictView(null).notice(messageOf(error), true);
});
