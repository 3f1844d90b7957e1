/** What may stand for a character, a code unit each. */
export type CharacterTable = ReadonlyMap<string, string>;

/** Items such as `aqwsz`: a character, then what may stand for it. */
function tableOf(items: string): Map<string, string> {
  return new Map(items.split(' ').map((item) => [item.charAt(0), item.slice(1)]));
}

/** A table for small letters, for capital ones as well. */
function withCapitals(table: ReadonlyMap<string, string>): CharacterTable {
  const capitals = [...table].flatMap(([character, others]): [string, string][] =>
    /[a-z]/.test(character) ? [[character.toUpperCase(), others.toUpperCase()]] : [],
  );
  return new Map([...table, ...capitals]);
}

/** A table in which each confusion goes both ways. */
function mutual(table: ReadonlyMap<string, string>): CharacterTable {
  const both = new Map(table);
  for (const [character, others] of table) {
    for (const other of others) {
      const known = both.get(other) ?? '';
      if (!known.includes(character)) both.set(other, known + character);
    }
  }
  return both;
}

/** Letters that touch on a keyboard of the QWERTY layout, and digits that do. */
export const KEYBOARD_NEIGHBORS = withCapitals(
  tableOf(
    '12 213 324 435 546 657 768 879 980 09 ' +
      'qwa wqeas ewrsd retdf trygf ytugh uyihj iuojk oipkl pol ' +
      'aqwsz sweadzx dersfxc frtdgcv gtyfhvb hyugjbn juihknm kiojlm lopk ' +
      'zasx xsdzc cdfxv vfgcb bghvn nhjbm mjkn',
  ),
);

/** Characters that optical recognition takes for each other; those of nlpaug (`res/char/ocr/en.json`), both ways. */
export const OCR_CONFUSIONS = mutual(tableOf('089oOD 147lI 2zZ 58 6b 8sS@& 9gq ou rk CG ODU EB'));

/**
 * Letters of the Cyrillic and Greek scripts that look like Latin ones, from the confusables of Unicode Technical
 * Standard 39. What people who evade filters write, and posts whose author has another keyboard; a transliterated text
 * would be another language's spelling, which posts in Latin script do not have.
 */
export const HOMOGLYPHS: CharacterTable = tableOf(
  'aа cс eе iі jј oоο pр sѕ xх yу hһ dԁ qԛ wԝ vν uυ ' + 'AАΑ BВΒ CС EЕΕ HНΗ IІΙ JЈ KКΚ MМΜ NΝ OОΟ PРΡ SЅ TТΤ XХΧ YΥ ZΖ',
);
