import { openDrawing } from '@drf/preprocessing';
import type { Random } from '@drf/tensor';
import type { ContentSource } from '../dataset.js';
import { drawEmoji, EMOJI_SETS, emojiSetVersion, type EmojiDrawing, type EmojiSetName } from './emoji-sets.js';

/** Side of a rendered picture in pixels. */
const SIDE = 224;

/** Everything that decides an emoji picture. */
export interface EmojiScene {
  readonly emoji: string;
  readonly set: EmojiSetName;
  /** Side of the emoji in pixels. */
  readonly size: number;
  /** Its center in pixels. */
  readonly x: number;
  readonly y: number;
  /** Degrees, clockwise. */
  readonly rotation: number;
  /** `#rrggbb`. */
  readonly background: string;
}

/** Draws set, size, place, rotation and background for an emoji, so that it stays inside the picture. */
export function drawScene(emoji: string, random: Random): EmojiScene {
  const size = Math.round(random.uniform(96, 176));
  const margin = size / 2 + 4;
  const place = (): number => Math.round(random.uniform(margin, SIDE - margin));
  const channel = (): string => (48 + random.integer(208)).toString(16).padStart(2, '0');
  return {
    emoji,
    set: EMOJI_SETS[random.integer(EMOJI_SETS.length)] as EmojiSetName,
    size,
    x: place(),
    y: place(),
    rotation: Math.round(random.uniform(-25, 25)),
    background: `#${channel()}${channel()}${channel()}`,
  };
}

/** The scene as SVG. */
function sceneSvg(scene: EmojiScene, drawing: EmojiDrawing): string {
  const scale = scene.size / Math.max(drawing.width, drawing.height);
  const transform =
    `translate(${scene.x} ${scene.y}) rotate(${scene.rotation}) ` +
    `scale(${scale.toFixed(4)}) translate(${-drawing.width / 2} ${-drawing.height / 2})`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${SIDE}" height="${SIDE}">` +
    `<rect width="100%" height="100%" fill="${scene.background}"/><g transform="${transform}">${drawing.body}</g></svg>`
  );
}

/** An emoji picture, rendered to PNG when its bytes are asked for. */
export class EmojiImage implements ContentSource {
  constructor(readonly scene: EmojiScene) {}

  get description(): string {
    return `${this.scene.emoji} (${this.scene.set})`;
  }

  get fingerprint(): string {
    return JSON.stringify([emojiSetVersion(this.scene.set), SIDE, this.scene]);
  }

  async bytes(): Promise<Uint8Array> {
    const drawing = drawEmoji(this.scene.set, this.scene.emoji);
    const opened = await openDrawing(sceneSvg(this.scene, drawing));
    return opened.png({ compressionLevel: 1 }).toBuffer();
  }
}
