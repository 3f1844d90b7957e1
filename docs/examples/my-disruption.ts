// A disruption of one's own: pnpm eval RUN --cells clean,./my-disruption.ts:0.4:keep=2
import { z } from 'zod';
import type { DisruptionDefinition } from '@drf/disruption';

const options = z.strictObject({
  keep: z.int().min(1).default(3).describe('words of a text, and eighths of an image’s rows, that stay'),
});

export default {
  name: 'cut-off',
  options,
  create: ({ keep }) => ({
    text: (text) => text.split(' ').slice(0, keep).join(' '),
    image: ({ width, height, data }, random) => {
      const rows = Math.floor((height * Math.min(keep, 8)) / 8);
      const gray = random.integer(256); // all chance comes from here, so that anyone can repeat it
      return { width, height, data: data.map((value, i) => (i < rows * width * 3 ? value : gray)) };
    },
  }),
} satisfies DisruptionDefinition<typeof options>;
