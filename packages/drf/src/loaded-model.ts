import type { JudgeInfo, Judgment, PostContent } from '@drf/judge';
import { Model } from './judging.js';

/** A judge of posts in whatever form it takes them. */
interface Opened<Post> {
  readonly info: JudgeInfo;
  judge(post: Post | PostContent): Promise<Judgment>;
  close(): Promise<void>;
}

/** A model that judges: what `load` opened. */
export class LoadedModel<Post> extends Model<Post> {
  /**
   * @param judged what it says of itself comes from there
   * @param decode what it makes of a post before it judges
   */
  constructor(
    private readonly judged: Opened<Post>,
    private readonly decode: (post: Post, info: JudgeInfo) => Promise<PostContent>,
  ) {
    super();
  }

  /** What the model is: its classes, method, encoders, calibration, and where it comes from. */
  get info(): JudgeInfo {
    return this.judged.info;
  }

  protected judgePost(post: Post): Promise<Judgment> {
    return this.judged.judge(post);
  }

  protected async explained(post: Post) {
    const { info } = this.judged;
    const judge = { info, judge: (content: PostContent): Promise<Judgment> => this.judged.judge(content) };
    return { judge, content: await this.decode(post, info) };
  }

  protected free(): Promise<void> {
    return this.judged.close();
  }
}
