import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Calibration } from '@drf/experiment';
import { ExportedJudge } from './exported/exported-judge.js';
import { CARD_FILE } from './exported/card.js';
import type { Judgment, PostContent } from './judgment.js';
import { PostJudge, type PostJudgeOptions } from './post-judge.js';

/** What judges posts one by one: a trained run, or what was exported of one. */
export interface JudgeOfPosts {
  /** Class names in the order of training. */
  readonly classes: readonly string[];
  /** Folder and checkpoint that it comes from, with the SHA-256 of the file of its weights in hexadecimal. */
  readonly source: { readonly run: string; readonly checkpoint: string; readonly sha256: string };
  /** Side in pixels at which images were decoded for training; give images of this size. */
  readonly imageSize: number;
  /** Name of the engine that computes. */
  readonly engine: string;
  /** null for runs without one: probabilities then are the model's own, and quality is not known. */
  readonly calibration: Calibration | null;
  /**
   * Judges a post. Calls may overlap; they are answered in their order.
   * @throws DataError when image and text are both missing, or when an encoder or the head gives NaN or infinity
   */
  judge(post: PostContent): Promise<Judgment>;
  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/**
 * Opens a run's folder, or a folder that `pnpm export` wrote (by its `card.json`).
 * @throws as {@link PostJudge.open} and {@link ExportedJudge.open}
 */
export async function openJudge(path: string, options: PostJudgeOptions = {}): Promise<JudgeOfPosts> {
  const isExport = await stat(join(path, CARD_FILE)).then(
    () => true,
    () => false,
  );
  return isExport ? ExportedJudge.open(path, options) : PostJudge.open(path, options);
}
