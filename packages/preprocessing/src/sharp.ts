import type sharp from 'sharp';
import type { Sharp, SharpOptions } from 'sharp';

/** Loaders of libvips for the formats that posts' images come in. */
const LOADERS = ['Jpeg', 'Png', 'Nsgif', 'Webp', 'Tiff', 'Heif'].map((name) => `VipsForeignLoad${name}`);

let loading: Promise<typeof sharp> | undefined;
let draws = false;

/**
 * sharp, loaded when the first image needs it, since most of what programs start for needs none.
 * All loaders but those of raster formats are blocked in the whole process, since vector and document formats can load
 * other files. What is under way while they are blocked would fail, so that comes before everything else. Many images
 * decode side by side, so each takes one thread, and finished ones are not kept.
 */
export function loadSharp(): Promise<typeof sharp> {
  return (loading ??= import('sharp').then(({ default: loaded }) => {
    loaded.concurrency(1);
    loaded.cache(false);
    loaded.block({ operation: ['VipsForeignLoad'] });
    loaded.unblock({ operation: LOADERS });
    return loaded;
  }));
}

/** Opens a drawing of our own in SVG, never one that came from elsewhere. */
export async function openDrawing(svg: string, options: SharpOptions = {}): Promise<Sharp> {
  const loaded = await loadSharp();
  if (!draws) loaded.unblock({ operation: ['VipsForeignLoadSvg'] });
  draws = true;
  return loaded(Buffer.from(svg), options);
}
