import { join } from 'node:path';
import { readBounded } from '@drf/files';
import type { ContentSource } from './dataset.js';
import type { TextEncoding } from './text-decoder.js';

/** Content of a file below a folder. Thousands share the folder's name, so memory stays small. */
export class FileSource implements ContentSource {
  /**
   * @param folder absolute path
   * @param description the file's path inside the folder
   * @param encoding of a text, where it is not the data set's
   */
  constructor(
    private readonly folder: string,
    readonly description: string,
    private readonly maximumBytes: number,
    readonly encoding?: TextEncoding,
  ) {}

  /** The same file as a text in another encoding than the data set's. */
  readAs(encoding: TextEncoding): FileSource {
    return new FileSource(this.folder, this.description, this.maximumBytes, encoding);
  }

  /** @throws DataError naming the file when it is missing, no file, or too large */
  bytes(): Promise<Uint8Array> {
    return readBounded(join(this.folder, this.description), this.maximumBytes);
  }
}

/** Text that came inside the row itself. */
export class InlineText implements ContentSource {
  readonly description = 'inline text';
  readonly encoding = 'utf-8';

  constructor(private readonly text: string) {}

  bytes(): Promise<Uint8Array> {
    return Promise.resolve(new TextEncoder().encode(this.text));
  }
}
