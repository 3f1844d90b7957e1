import { rename, rm } from 'node:fs/promises';
import { StreamedFile } from './streamed-file.js';

/** Where the rows stand that could not become part of an output. */
export function rejectedPath(out: string): string {
  return `${out}.rejected.jsonl`;
}

/** The rows that could not become part of an output, as JSON Lines beside it: a file that is there if there are any. */
export class RejectedRows {
  private rows = 0;

  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: StreamedFile,
  ) {}

  static async create(out: string): Promise<RejectedRows> {
    const path = rejectedPath(out);
    const temporary = `${path}.temporary`;
    await rm(temporary, { force: true }); // of a killed program; or a link
    return new RejectedRows(path, temporary, new StreamedFile(temporary));
  }

  async add(row: object): Promise<void> {
    this.rows++;
    await this.file.write(`${JSON.stringify(row)}\n`);
  }

  /** The file appears whole, or one of an earlier output goes. */
  async end(): Promise<void> {
    await this.file.end();
    if (this.rows > 0) await rename(this.temporary, this.path);
    else for (const path of [this.temporary, this.path]) await rm(path, { force: true });
  }

  /** After an error, which is the one to hear about. */
  async discard(): Promise<void> {
    await this.file.end().catch(() => undefined);
    await rm(this.temporary, { force: true });
  }
}
