import type { JudgeInfo, Judgment } from '@drf/judge';
import { Model } from './judging.js';

/** A judge of posts in whatever form it takes them. */
interface Opened<Post> {
  readonly info: JudgeInfo;
  judge(post: Post): Promise<Judgment>;
  close(): Promise<void>;
}

/** A model that judges: what `load` opened. */
export class LoadedModel<Post> extends Model<Post> {
  /** @param judged what it says of itself comes from there */
  constructor(private readonly judged: Opened<Post>) {
    super();
  }

  /** What the model is: its classes, method, encoders, calibration, and where it comes from. */
  get info(): JudgeInfo {
    return this.judged.info;
  }

  protected judgePost(post: Post): Promise<Judgment> {
    return this.judged.judge(post);
  }

  protected free(): Promise<void> {
    return this.judged.close();
  }
}
