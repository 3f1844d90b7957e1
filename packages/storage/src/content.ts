import { stat } from 'node:fs/promises';
import { DataError, refuser } from '@drf/tensor';
import type { WrittenContent } from '@drf/files';

export function isFileContent(content: WrittenContent): content is { readonly file: string } {
  return typeof content === 'object' && 'file' in content;
}

/** Bytes of content that is to be written. @throws DataError for a local file that is not there, or none */
export async function sizeOf(content: WrittenContent): Promise<number> {
  if (!isFileContent(content)) return typeof content === 'string' ? Buffer.byteLength(content) : content.length;
  const refuse = refuser(DataError, `Reading ${content.file}`);
  const stats = await stat(content.file).catch((error: NodeJS.ErrnoException) => {
    throw refuse('a file', error.code ?? error.message, 'check the path', error);
  });
  if (!stats.isFile()) throw refuse('a file', 'a folder or device', 'name a file');
  return stats.size;
}
