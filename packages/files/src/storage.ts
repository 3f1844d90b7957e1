/** A file of a {@link Storage}, as a listing shows it. */
export interface StoredEntry {
  /** Below the storage's root, with `/`. */
  readonly path: string;
  readonly bytes: number;
  /** Another one whenever the content is another: an object's ETag; of a local file its size, time of change and inode. */
  readonly version: string;
}

/** A file at one version: once it has changed, every reading of it fails. */
export interface StoredFile extends StoredEntry {
  /** For people: `posts/1.csv`, `s3://bucket/posts/1.csv`. */
  readonly name: string;
  /**
   * Bytes from `start` up to but not including `end`.
   * @throws DataError when the file has changed or is gone; UnavailableError when the storage does not answer
   */
  read(start: number, end: number): Promise<Uint8Array>;
  /** All bytes, or those from `start` up to `end`, piece by piece. @throws as {@link StoredFile.read} */
  stream(start?: number, end?: number): AsyncIterable<Uint8Array>;
}

/** What is to be written: bytes, a text, or the content of a local file. */
export type WrittenContent = Uint8Array | string | { readonly file: string };

/**
 * Files below a root: a local folder, or a prefix in object storage. Paths are relative to the root, with `/`; one that
 * leads out of it is refused by a DataError.
 */
export interface Storage {
  /** An absolute path, or `s3://bucket/prefix`. */
  readonly location: string;
  /** The folder, where files are local. */
  readonly folder: string | null;
  /** Files below the root, or below a folder in it, in the order of their paths by code points; none where there is nothing. */
  list(below?: string): AsyncIterable<StoredEntry>;
  find(path: string): Promise<StoredEntry | undefined>;
  /**
   * Opens a file for reading.
   * @param version the one that it must have; default: the one that it has
   * @throws DataError when nothing is there, or another version
   */
  open(path: string, version?: string): Promise<StoredFile>;
  /**
   * Writes a file whole or not at all.
   * @param options `ifAbsent`: leave a file that is there as it is, however many write at once
   * @returns whether it was written; false only where `ifAbsent` found one
   */
  write(path: string, content: WrittenContent, options?: { readonly ifAbsent?: boolean }): Promise<boolean>;
  /** Removes a file, if it is there. */
  remove(path: string): Promise<void>;
}
