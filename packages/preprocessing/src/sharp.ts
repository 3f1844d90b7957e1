import type { Sharp, SharpOptions } from 'sharp';

type SharpFunction = typeof import('sharp').default;

/** Loaders of libvips for the formats that posts' images come in. */
const LOADERS = ['Jpeg', 'Png', 'Nsgif', 'Webp', 'Tiff', 'Heif'].map((name) => `VipsForeignLoad${name}`);

let loading: Promise<SharpFunction> | undefined;
let draws = false;

/**
 * sharp, loaded when the first image needs it: that takes as long as all else that a program loads to print its help.
 * All loaders but those of raster formats are blocked in the whole process, since vector and document formats can load
 * other files; what is under way while that is done would fail, so it comes before everything else. Many images decode
 * side by side, so each takes one thread, and finished ones are not kept.
 */
export function loadSharp(): Promise<SharpFunction> {
  return (loading ??= import('sharp').then(({ default: sharp }) => {
    sharp.concurrency(1);
    sharp.cache(false);
    sharp.block({ operation: ['VipsForeignLoad'] });
    sharp.unblock({ operation: LOADERS });
    return sharp;
  }));
}

/** Opens a drawing of our own in SVG, never one that came from elsewhere. */
export async function openDrawing(svg: string, options: SharpOptions = {}): Promise<Sharp> {
  const sharp = await loadSharp();
  if (!draws) sharp.unblock({ operation: ['VipsForeignLoadSvg'] });
  draws = true;
  return sharp(Buffer.from(svg), options);
}
