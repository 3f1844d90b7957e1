import Database from 'libsql';
import { SOURCE_OF_VERSION_1 } from '../store/schema.js';

const WITHOUT_VERSION_3 = `
    ALTER TABLE training DROP COLUMN parameters;
    ALTER TABLE training DROP COLUMN memory_bytes;
    ALTER TABLE disruption DROP COLUMN corruption;
    ALTER TABLE disruption DROP COLUMN severity;`;

/** Turns a store into one of version 2, which knew no costs and no corruptions beyond the paper's. */
export function asVersion2(path: string): void {
  const database = new Database(path);
  database.exec(`${WITHOUT_VERSION_3} PRAGMA user_version = 2;`);
  database.close();
}

/**
 * Turns a store into one of version 1, as programs of before made it: folds were part of the experiment's name, and the
 * source of the code had a hash.
 */
export function asVersion1(path: string, code = SOURCE_OF_VERSION_1): void {
  const database = new Database(path);
  database.exec(`
    DROP VIEW result;
    ALTER TABLE training ADD COLUMN code TEXT NOT NULL DEFAULT '${code}';
    UPDATE training SET address = 'hash of ' || address,
      experiment = experiment || CASE WHEN fold IS NULL THEN '' ELSE '-fold' || fold || 'of' || folds END;
    UPDATE cell SET address = 'hash of ' || address;
    ALTER TABLE training DROP COLUMN fold;
    ALTER TABLE training DROP COLUMN folds;
    ALTER TABLE training DROP COLUMN result_version;
    ${WITHOUT_VERSION_3}
    CREATE VIEW result AS SELECT t.experiment FROM cell c JOIN training t ON t.id = c.training_id;
    PRAGMA user_version = 1;
  `);
  database.close();
}
