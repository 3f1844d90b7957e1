/** Of the tables below. A store of an earlier version is read as if it were of this one, and becomes it when it is written to. */
export const STORE_VERSION = 3;

const RESULT_VIEW = `
-- what one wants to see first
CREATE VIEW result AS
  SELECT t.experiment, t.fold, t.folds, t.method, t.without, t.disruption AS trained_on, c.name AS cell, t.seed, l.split,
    c.posts, c.accuracy, c.weighted_f1, c.macro_f1, c.calibration_error, c.image_auroc, c.text_auroc
  FROM cell c JOIN training t ON t.id = c.training_id JOIN post_list l ON l.id = c.post_list_id;`;

/**
 * The tables of a result store, as SQLite reads them. Shares (accuracy, F1, AUROC) lie in 0 … 1; what a method does not
 * have is NULL.
 */
export const SCHEMA = `
-- one trained model: a method (less a part, in Table 4), a training disruption and a seed
CREATE TABLE training (
  id INTEGER PRIMARY KEY,
  address TEXT NOT NULL UNIQUE,      -- tells it from every other: identity and version
  identity TEXT NOT NULL,            -- hash of configuration, data and encoders
  result_version INTEGER NOT NULL,   -- of the code that decides results; 0 for what was made before versions were counted
  experiment TEXT NOT NULL,          -- such as mvsa-s
  fold INTEGER, folds INTEGER,       -- such as 2 of 5; NULL outside of cross-validations
  dataset TEXT NOT NULL,             -- such as mvsa-single
  method TEXT NOT NULL,
  without TEXT,                      -- the part switched off, in the paper's name (no-pair-expansion)
  disruption TEXT NOT NULL,          -- of the training posts: none, random:0.6:C+D
  seed INTEGER NOT NULL,             -- decides parameters, order and all disruptions
  config TEXT NOT NULL,              -- JSON
  versions TEXT NOT NULL,            -- JSON: Node, packages, git revision
  image_encoder TEXT NOT NULL,
  text_encoder TEXT NOT NULL,
  engine TEXT NOT NULL,
  best_epoch INTEGER, best_step INTEGER, best_score REAL,
  seconds REAL NOT NULL,             -- wall time of the training
  parameters INTEGER,                -- that training moves
  memory_bytes INTEGER,              -- most that its process held at a step, features included
  folder TEXT NOT NULL,              -- its run, relative to the store: eval and export read it
  finished_at TEXT NOT NULL
);
-- its course
CREATE TABLE epoch (
  training_id INTEGER NOT NULL REFERENCES training(id) ON DELETE CASCADE,
  epoch INTEGER NOT NULL, step INTEGER NOT NULL,
  train_loss REAL NOT NULL, train_parts TEXT NOT NULL, -- JSON: parts of the loss
  val_accuracy REAL, val_weighted_f1 REAL, val_loss REAL,
  PRIMARY KEY (training_id, epoch)
) WITHOUT ROWID;
-- evaluated posts: one list for every cell that judges the same posts
CREATE TABLE post_list (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,         -- of ids and labels in their order
  dataset TEXT NOT NULL, split TEXT NOT NULL, classes TEXT NOT NULL -- JSON
);
CREATE TABLE post (
  post_list_id INTEGER NOT NULL REFERENCES post_list(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,         -- from 0
  post TEXT NOT NULL,                -- the data set's id
  truth INTEGER NOT NULL,            -- index into classes
  PRIMARY KEY (post_list_id, position)
) WITHOUT ROWID;
-- what was done to the posts: the same for every method of a seed
CREATE TABLE manifest (
  id INTEGER PRIMARY KEY,
  post_list_id INTEGER NOT NULL REFERENCES post_list(id) ON DELETE CASCADE,
  strategy TEXT NOT NULL,            -- fixed:image:C, random:0.6:C+D
  seed INTEGER NOT NULL,
  hash TEXT NOT NULL,                -- of its entries
  mask TEXT NOT NULL,                -- what stands for masked words
  UNIQUE (post_list_id, strategy, seed, mask)
);
CREATE TABLE disruption (
  manifest_id INTEGER NOT NULL REFERENCES manifest(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  modality TEXT NOT NULL,            -- image or text
  operation TEXT NOT NULL,           -- corrupt or discard
  fraction REAL,                     -- of the pixels or words
  random_seed TEXT,                  -- JSON: repeats the exact pixels or words
  corruption TEXT, severity INTEGER, -- beyond the paper's: gaussian_noise, 1 to 5
  PRIMARY KEY (manifest_id, position)
) WITHOUT ROWID;
-- one model judging one list of posts under one disruption
CREATE TABLE cell (
  id INTEGER PRIMARY KEY,
  address TEXT NOT NULL UNIQUE,      -- tells it from every other: identity and version
  identity TEXT NOT NULL,            -- hash of the training's identity, the posts and the disruption
  training_id INTEGER NOT NULL REFERENCES training(id) ON DELETE CASCADE,
  name TEXT NOT NULL,                -- clean, fixed:image:C, random:0.6:C+D
  kind TEXT NOT NULL, modality TEXT, setting TEXT, ratio REAL,
  post_list_id INTEGER NOT NULL REFERENCES post_list(id),
  manifest_id INTEGER REFERENCES manifest(id), -- NULL for clean
  posts INTEGER NOT NULL,
  accuracy REAL NOT NULL, weighted_f1 REAL NOT NULL, macro_f1 REAL NOT NULL,
  calibration_error REAL, log_likelihood REAL, -- ECE over 15 bins; mean negative log-likelihood in nats
  image_auroc REAL, text_auroc REAL,  -- of low quality at finding the corrupted modality
  report TEXT NOT NULL               -- JSON: the whole classification report
);
CREATE INDEX cell_training ON cell(training_id);
-- one post's answer in one cell
CREATE TABLE prediction (
  cell_id INTEGER NOT NULL REFERENCES cell(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  predicted INTEGER NOT NULL,
  probabilities TEXT NOT NULL,       -- JSON, a number a class
  image_available INTEGER NOT NULL, text_available INTEGER NOT NULL, -- the paper's lambda
  image_density REAL, text_density REAL, recovered_text_density REAL, recovered_image_density REAL, -- log p(f) over its peak, Eq. 9
  both_weight REAL, image_weight REAL, text_weight REAL, -- of (image, text), (image, recovered text), (recovered image, text)
  PRIMARY KEY (cell_id, position)
) WITHOUT ROWID;
-- recovered and true features of discarded modalities, of the first seed (Figure 6)
CREATE TABLE feature (
  cell_id INTEGER NOT NULL REFERENCES cell(id) ON DELETE CASCADE,
  modality TEXT NOT NULL,
  positions BLOB NOT NULL,           -- int32, little-endian
  width INTEGER NOT NULL,
  recovered BLOB NOT NULL,           -- float32, little-endian, [positions, width]
  original BLOB NOT NULL,            -- the same posts' features when intact
  PRIMARY KEY (cell_id, modality)
) WITHOUT ROWID;
${RESULT_VIEW}
PRAGMA user_version = ${STORE_VERSION};
`;

/** The source, as stores of version 1 knew it, that made what version 1 of results is. */
export const SOURCE_OF_VERSION_1 = '6ca804799a811efcaad585d0e2f603c6b7c63b08f20a55b0cd2e839eb9709c9e';

const FOLD = "json_extract(config, '$.dataset.fold')";
const FOLDS = "json_extract(config, '$.dataset.folds')";
/** Version 1 knew a fold by the end of the experiment's name: `mvsa-s-fold2of5`. */
const FOLD_SUFFIX = `'-fold' || ${FOLD} || 'of' || ${FOLDS}`;
const IS_FOLD = `substr(experiment, -length(${FOLD_SUFFIX})) = ${FOLD_SUFFIX}`;

/** Columns of `training` as they are now, from those of version 1. */
const FROM_VERSION_1 = {
  address: `CASE code WHEN '${SOURCE_OF_VERSION_1}' THEN identity || ' 1' ELSE address END`,
  experiment: `CASE WHEN ${IS_FOLD} THEN substr(experiment, 1, length(experiment) - length(${FOLD_SUFFIX})) ELSE experiment END`,
  fold: `CASE WHEN ${IS_FOLD} THEN ${FOLD} END`,
  folds: `CASE WHEN ${IS_FOLD} THEN ${FOLDS} END`,
  result_version: `CASE code WHEN '${SOURCE_OF_VERSION_1}' THEN 1 ELSE 0 END`,
  // drf-paper of before it was the paper's to the letter
  method: `CASE WHEN method = 'drf-paper' AND json_extract(config, '$.model.featureNorm') IS NULL THEN 'drf-adapted' ELSE method END`,
};

/** Columns that version 3 added. */
const SINCE_VERSION_3 = {
  training: { parameters: 'INTEGER', memory_bytes: 'INTEGER' },
  disruption: { corruption: 'TEXT', severity: 'INTEGER' },
};

const nothingFor = (columns: object): string => Object.keys(columns).map((name) => `NULL AS ${name}`).join(', '); // prettier-ignore

const DISRUPTION_VIEW = `
CREATE TEMP VIEW disruption AS SELECT *, ${nothingFor(SINCE_VERSION_3.disruption)} FROM main.disruption;`;

/** Makes a store of version 2 look like one of this version to a connection that only reads. */
const VIEW_OF_VERSION_2 = `
CREATE TEMP VIEW training AS SELECT *, ${nothingFor(SINCE_VERSION_3.training)} FROM main.training;
${DISRUPTION_VIEW}`;

/** Makes a store of version 1 look like one of this version to a connection that only reads. */
const VIEW_OF_VERSION_1 = `
CREATE TEMP VIEW training AS
  SELECT id, identity, dataset, without, disruption, seed, config, versions, image_encoder, text_encoder, engine,
    best_epoch, best_step, best_score, seconds, folder, finished_at, ${nothingFor(SINCE_VERSION_3.training)},
    ${Object.entries(FROM_VERSION_1).map(([name, value]) => `${value} AS ${name}`).join(',\n    ')}
  FROM main.training;
CREATE TEMP VIEW cell AS
  SELECT c.id, CASE t.result_version WHEN 1 THEN c.identity || ' 1' ELSE c.address END AS address, c.identity,
    training_id, name, kind, modality, setting, ratio, post_list_id, manifest_id, posts, accuracy, weighted_f1, macro_f1,
    calibration_error, log_likelihood, image_auroc, text_auroc, report
  FROM main.cell c JOIN training t ON t.id = c.training_id;
${DISRUPTION_VIEW}`; // prettier-ignore

/** Makes a store of version 1 one of version 2. */
const MIGRATION_FROM_VERSION_1 = `
DROP VIEW result;
ALTER TABLE training ADD COLUMN result_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE training ADD COLUMN fold INTEGER;
ALTER TABLE training ADD COLUMN folds INTEGER;
UPDATE training SET ${Object.entries(FROM_VERSION_1).map(([name, value]) => `${name} = ${value}`).join(',\n  ')};
ALTER TABLE training DROP COLUMN code;
UPDATE cell SET address = identity || ' 1' WHERE training_id IN (SELECT id FROM training WHERE result_version = 1);
${RESULT_VIEW}
`; // prettier-ignore

/** Makes a store of version 2 one of this version. */
const MIGRATION_FROM_VERSION_2 = `
${Object.entries(SINCE_VERSION_3)
  .flatMap(([table, columns]) => Object.entries(columns).map(([name, type]) => `ALTER TABLE ${table} ADD COLUMN ${name} ${type};`))
  .join('\n')}
PRAGMA user_version = ${STORE_VERSION};
`; // prettier-ignore

/** How a store of an earlier version is read, and how it becomes one of this version, by its version. */
export const EARLIER_VERSIONS: ReadonlyMap<number, { readonly view: string; readonly migration: string }> = new Map([
  [1, { view: VIEW_OF_VERSION_1, migration: MIGRATION_FROM_VERSION_1 + MIGRATION_FROM_VERSION_2 }],
  [2, { view: VIEW_OF_VERSION_2, migration: MIGRATION_FROM_VERSION_2 }],
]);
