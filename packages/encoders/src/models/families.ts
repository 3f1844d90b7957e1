import type { BertConfig } from './bert.js';
import { ConfigReader } from './config-reader.js';
import { assertPadding, assertPositions, readBert, readDistilBert } from './families/bert.js';
import { readClipText, readClipVision } from './families/clip.js';
import { readDeberta } from './families/deberta.js';
import { readDinov2 } from './families/dinov2.js';
import { readModernBert } from './families/modernbert.js';
import { readMpNet } from './families/mpnet.js';
import { readSiglipText, readSiglipVision } from './families/siglip.js';
import { readVit } from './families/vit.js';
import type { VitConfig } from './vit.js';

/** What reads the configuration of which family, by `model_type`. */
const IMAGE_FAMILIES = {
  vit: (reader) => readVit(reader, 'vit'),
  deit: (reader) => readVit(reader, 'deit'),
  dinov2: (reader) => readDinov2(reader, 'dinov2'),
  dinov2_with_registers: (reader) => readDinov2(reader, 'dinov2_with_registers'),
  clip: (reader) => readClipVision(reader, true),
  clip_vision_model: (reader) => readClipVision(reader, false),
  siglip: (reader) => readSiglipVision(reader, true),
  siglip_vision_model: (reader) => readSiglipVision(reader, false),
} satisfies Readonly<Record<string, (reader: ConfigReader) => VitConfig>>;

/** XLM-RoBERTa and CamemBERT are RoBERTa with another vocabulary; MiniLM models call themselves `bert`. */
const TEXT_FAMILIES = {
  bert: (reader) => readBert(reader, 'bert'),
  roberta: (reader) => readBert(reader, 'roberta'),
  'xlm-roberta': (reader) => readBert(reader, 'roberta'),
  camembert: (reader) => readBert(reader, 'roberta'),
  distilbert: readDistilBert,
  mpnet: readMpNet,
  'deberta-v2': readDeberta,
  modernbert: readModernBert,
  clip: (reader) => readClipText(reader, true),
  clip_text_model: (reader) => readClipText(reader, false),
  siglip: (reader) => readSiglipText(reader, true),
  siglip_text_model: (reader) => readSiglipText(reader, false),
} satisfies Readonly<Record<string, (reader: ConfigReader) => BertConfig>>;

function readFamily<Config>(
  families: Readonly<Record<string, (reader: ConfigReader) => Config>>,
  reader: ConfigReader,
  purpose: string,
  remedy: string,
): Config {
  const family = reader.family(Object.keys(families), purpose, remedy);
  return (families[family] as (reader: ConfigReader) => Config)(reader);
}

/**
 * Reads the `config.json` of a vision transformer: ViT, DeiT, DINOv2 with and without registers, and the vision towers of
 * CLIP and SigLIP. Defaults are those of transformers' configurations.
 * @param json the parsed file
 * @param subject the file's name for errors
 * @throws ConfigurationError for another family of models and for values that cannot be meant, naming the key
 */
export function parseVitConfig(json: unknown, subject: string): VitConfig {
  const remedy =
    'choose a model of one of these families (of SigLIP 2 one of fixed resolution); texts have encoders of their own';
  return readFamily(IMAGE_FAMILIES, new ConfigReader(json, subject), 'an image encoder', remedy);
}

/**
 * Reads the `config.json` of a text encoder: BERT, MiniLM, RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT, MPNet, DeBERTa v2
 * and v3, ModernBERT, and the text towers of CLIP and SigLIP; else as {@link parseVitConfig}.
 */
export function parseBertConfig(json: unknown, subject: string): BertConfig {
  const reader = new ConfigReader(json, subject);
  const remedy = 'choose a model of one of these families; images have encoders of their own';
  const config = readFamily(TEXT_FAMILIES, reader, 'a text encoder', remedy);
  assertPadding(reader, config);
  assertPositions(reader, config);
  return config;
}
