import { ConfigurationError } from '@drf/tensor';
import type { ActivationName } from '@drf/layers';
import type { DropoutRates } from '@drf/layers';
import { ConfigReader } from '../weights/config-reader.js';

/** XLM-RoBERTa and CamemBERT are RoBERTa with another vocabulary; MiniLM models call themselves `bert`. */
const ROBERTA_FAMILIES = ['roberta', 'xlm-roberta', 'camembert'] as const;
export const BERT_FAMILIES = ['bert', ...ROBERTA_FAMILIES, 'distilbert'] as const;

/** What the `config.json` of a model of BERT's family says about its function. */
export interface BertConfig {
  /** Decides the names in files, whether there are token types, and how positions count. */
  readonly family: 'bert' | 'roberta' | 'distilbert';
  readonly vocabularySize: number;
  /** Rows of the table of positions. */
  readonly positions: number;
  /** Rows of the table of token types; 0: none. */
  readonly tokenTypes: number;
  /** The id of padding: its row is not trained, and RoBERTa's positions count from it. */
  readonly paddingId: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  /** Standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** In training. */
  readonly dropout: DropoutRates;
}

/** The longest text, in tokens with the special ones, for which there are positions. */
export function longestText({ family, positions, paddingId }: BertConfig): number {
  return family === 'roberta' ? positions - paddingId - 1 : positions;
}

const REMEDY = 'choose a model of the families BERT, RoBERTa or DistilBERT; images have encoders of their own';

/**
 * Reads the `config.json` of a BERT, MiniLM, RoBERTa, XLM-RoBERTa, CamemBERT or DistilBERT. Defaults are those of
 * transformers' configurations.
 * @param json the parsed file
 * @param subject the file's name for errors
 * @throws ConfigurationError for another family of models and for values that cannot be meant, naming the key
 */
export function parseBertConfig(json: unknown, subject: string): BertConfig {
  const reader = new ConfigReader(json, subject);
  const family = reader.family(BERT_FAMILIES, 'a text encoder', REMEDY);
  const config = family === 'distilbert' ? readDistilBert(reader) : readBert(reader, family !== 'bert');
  if (config.paddingId >= config.vocabularySize) {
    throw new ConfigurationError({
      subject,
      expected: `"pad_token_id" below "vocab_size" ${config.vocabularySize}`,
      received: String(config.paddingId),
    });
  }
  if (longestText(config) < 1) {
    throw new ConfigurationError({
      subject,
      expected: `"max_position_embeddings" above ${config.paddingId + 1}, where positions begin`,
      received: String(config.positions),
    });
  }
  return config;
}

function readBert(reader: ConfigReader, roberta: boolean): BertConfig {
  reader.only('position_embedding_type', 'absolute');
  reader.only('is_decoder', false);
  reader.only('add_cross_attention', false);
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  return {
    family: roberta ? 'roberta' : 'bert',
    vocabularySize: reader.size('vocab_size', roberta ? 50265 : 30522),
    positions: reader.size('max_position_embeddings', 512),
    tokenTypes: reader.size('type_vocab_size', 2),
    paddingId: reader.size('pad_token_id', roberta ? 1 : 0, 0),
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-12, 'from 0'),
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: {
      hidden: reader.share('hidden_dropout_prob', 0.1),
      attention: reader.share('attention_probs_dropout_prob', 0.1),
    },
  };
}

function readDistilBert(reader: ConfigReader): BertConfig {
  const hiddenSize = reader.size('dim', 768);
  const heads = reader.size('n_heads', 12);
  reader.assertHeads('n_heads', heads, 'dim', hiddenSize);
  return {
    family: 'distilbert',
    vocabularySize: reader.size('vocab_size', 30522),
    positions: reader.size('max_position_embeddings', 512),
    tokenTypes: 0,
    paddingId: reader.size('pad_token_id', 0, 0),
    hiddenSize,
    layers: reader.size('n_layers', 6),
    heads,
    intermediateSize: reader.size('hidden_dim', 4 * 768),
    activation: reader.activation('activation', 'gelu'),
    normEpsilon: 1e-12, // the reference implementation reads no key for it
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: { hidden: reader.share('dropout', 0.1), attention: reader.share('attention_dropout', 0.1) },
  };
}
