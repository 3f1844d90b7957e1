import sharp from 'sharp';
import { createRandom, type Random } from '@drf/tensor';

/** A post as a client has it: an image file, a text, or both. */
export interface ClientPost {
  readonly text: string | null;
  /** The bytes of a JPEG. */
  readonly image: Buffer | null;
}

const WORDS =
  'a the what day great awful love hate sun rain cat dog friend never always happy sad lost won game home work tired new old best worst we you they'.split(
    ' ',
  );

/** Posts that differ: in four of ten both modalities are there, in three each only one is. Image sides from 200 to 1,000 pixels. */
export async function makePosts(count: number, seed: number): Promise<readonly ClientPost[]> {
  const posts: ClientPost[] = [];
  for (let i = 0; i < count; i++) {
    const random = createRandom(seed).fork(`post ${i}`);
    const kind = i % 10;
    posts.push({
      text: kind >= 7 ? null : sentence(random),
      image: kind >= 4 && kind < 7 ? null : await picture(random),
    });
  }
  return posts;
}

function sentence(random: Random): string {
  return Array.from({ length: 1 + random.integer(40) }, () => WORDS[random.integer(WORDS.length)]).join(' ');
}

/** Colored squares, enlarged: it compresses as photos do, and decodes as they do. */
async function picture(random: Random): Promise<Buffer> {
  const squares = Buffer.from(Array.from({ length: 16 * 16 * 3 }, () => random.integer(256)));
  const [width, height] = [200 + random.integer(801), 200 + random.integer(801)];
  return sharp(squares, { raw: { width: 16, height: 16, channels: 3 } })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .jpeg({ quality: 85 })
    .toBuffer();
}
