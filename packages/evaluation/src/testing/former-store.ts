import Database from 'libsql';
import { SOURCE_OF_VERSION_1 } from '../store/schema.js';

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
    CREATE VIEW result AS SELECT t.experiment FROM cell c JOIN training t ON t.id = c.training_id;
    PRAGMA user_version = 1;
  `);
  database.close();
}
