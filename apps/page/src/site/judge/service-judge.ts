import type { Judgment, PostContent } from '@drf/predict';
import type { RgbImage } from '@drf/tensor';
import { drawImage } from '../content/decode.js';
import { isAbort, PageError } from '../page-error.js';
import type { Connection } from './connection.js';
import type { Judge } from './judge.js';

/** Judges by asking the service. */
export class ServiceJudge implements Judge {
  private readonly canvas = document.createElement('canvas');

  constructor(private readonly connection: Connection) {}

  async judge({ image, text }: PostContent, signal: AbortSignal): Promise<Judgment> {
    const body = JSON.stringify({
      ...(text === null ? {} : { text }),
      ...(image === null ? {} : { image: this.png(image) }),
    });
    const headers = { ...this.connection.headers, 'content-type': 'application/json' };
    const response = await fetch('v1/predict', { method: 'POST', headers, body, signal }).catch((error: unknown) => {
      if (isAbort(error)) throw error;
      throw new PageError('The service cannot be reached. Is it still running?');
    });
    if (response.ok) return (await response.json()) as Judgment;
    const { detail } = (await response.json().catch(() => ({}))) as { readonly detail?: string };
    throw new PageError(detail ?? `The service answered with status ${response.status}.`);
  }

  /** At the size of the model, so that the service reads the very pixels that the page shows; as a data URL. */
  private png(image: RgbImage): string {
    drawImage(this.canvas, image);
    return this.canvas.toDataURL('image/png');
  }
}
