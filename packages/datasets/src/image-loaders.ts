import sharp, { type Sharp, type SharpOptions } from 'sharp';

/** Loaders of libvips for the formats that posts' images come in. */
const LOADERS = ['Jpeg', 'Png', 'Nsgif', 'Webp', 'Tiff', 'Heif'].map((name) => `VipsForeignLoad${name}`);

let configured = false;
let draws = false;

/** Before anything is decoded: what is under way while loaders are blocked would fail. */
function configure(): void {
  if (configured) return;
  sharp.concurrency(1);
  sharp.cache(false);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: LOADERS });
  configured = true;
}

/**
 * Opens an encoded image that came from elsewhere. All loaders but those of raster formats are blocked in the whole
 * process, since vector and document formats can load other files. Many images decode side by side, so each takes one
 * thread, and finished ones are not kept.
 */
export function openImage(bytes: Uint8Array, options: SharpOptions): Sharp {
  configure();
  return sharp(bytes, options);
}

/** Opens a drawing of our own in SVG, never one that came from elsewhere. */
export function openDrawing(svg: string, options: SharpOptions = {}): Sharp {
  configure();
  if (!draws) sharp.unblock({ operation: ['VipsForeignLoadSvg'] });
  draws = true;
  return sharp(Buffer.from(svg), options);
}
