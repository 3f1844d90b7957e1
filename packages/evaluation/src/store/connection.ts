import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { ConfigurationError, DataError } from '@drf/tensor';
import { spell } from '@drf/terminal';
import { EARLIER_VERSIONS, SCHEMA, STORE_VERSION } from './schema.js';

/** What a column may hold. */
export type Value = string | number | null | Buffer;
export type Row = Readonly<Record<string, string | number | null | ArrayBuffer | undefined>>;

/** A prepared statement; named parameters would be slower, so places count. */
export interface Statement {
  run(...values: readonly Value[]): { readonly lastInsertRowid: number | bigint };
  get(...values: readonly Value[]): Row | undefined;
  all(...values: readonly Value[]): Row[];
}

/** The part of better-sqlite3's interface, which libsql shares, that the store needs. */
export interface Connection {
  prepare(sql: string): Statement;
  exec(sql: string): unknown;
  close(): void;
}

interface OpenOptions {
  readonly timeout: number;
  readonly readonly?: boolean;
}

function open(path: string, options: OpenOptions): Connection {
  return new Database(path, options) as Connection; // whose types say nothing of rows
}

const WAIT = { timeout: 10_000 };

/**
 * Opens a store: for writing, made with its tables where there is none, brought to this version where it is an older
 * one; or for reading, which changes nothing.
 * @param path `:memory:` for a store that ends with its connection
 * @throws DataError when there is none to read, or the file is no store; ConfigurationError when it is of a later version
 */
export function openStore(path: string, mode: 'read' | 'write'): Connection {
  if (mode === 'read') assertFile(path);
  else if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
  return guarded(path, () => {
    const connection = open(path, mode === 'read' ? { ...WAIT, readonly: true } : WAIT);
    if (mode === 'write') {
      connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
      if (versionOf(connection) === 0 && isEmpty(connection)) inTransaction(connection, () => connection.exec(SCHEMA));
    }
    const version = versionOf(connection);
    const earlier = EARLIER_VERSIONS.get(version);
    if (earlier !== undefined && mode === 'read') connection.exec(earlier.view);
    else if (earlier !== undefined) inTransaction(connection, () => connection.exec(earlier.migration));
    else if (version !== STORE_VERSION) throw otherVersion(path, connection, version);
    return connection;
  });
}

function assertFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return;
  throw new DataError({
    subject: `Result store ${path}`,
    expected: `a store that ${spell('eval grid')} made`,
    received: 'no such file',
    remedy: `name the folder of a grid, or run one: ${spell('eval grid smoke')}`,
  });
}

/** Everything or nothing. */
export function inTransaction<T>(connection: Connection, work: () => T): T {
  connection.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    connection.exec('COMMIT');
    return result;
  } catch (error) {
    connection.exec('ROLLBACK');
    throw error;
  }
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code !== 'string' || !code.startsWith('SQLITE')) throw error;
    throw new DataError(
      {
        subject: `Result store ${path}`,
        expected: `a store that ${spell('eval grid')} made, readable and not in use elsewhere`,
        received: `${code}: ${(error as Error).message}`,
        remedy: 'name the folder of a grid, or choose another place',
      },
      { cause: error },
    );
  }
}

function versionOf(connection: Connection): number {
  return Number(connection.prepare('PRAGMA user_version').get()?.user_version);
}

function isEmpty(connection: Connection): boolean {
  return connection.prepare('SELECT name FROM sqlite_schema LIMIT 1').all().length === 0;
}

function otherVersion(path: string, connection: Connection, version: number): ConfigurationError {
  connection.close();
  return new ConfigurationError({
    subject: `Result store ${path}`,
    expected: `version ${STORE_VERSION} or an older one`,
    received: version === 0 ? 'a database of something else' : `version ${version}`,
    remedy: 'choose another place, or use the program that made it',
  });
}
