/**
 * Personal data that can be told by its form: numbers with a checksum, mail addresses, telephone numbers with their country. Names, addresses
 * and what is only personal by what it means are not found. Each search goes over the text once, and looks a bounded way around what it
 * finds, so the time is linear in the text.
 */

/** Called with the kind of each finding. */
type Found = (kind: string) => void;

export function personalIn(text: string, found: Found): void {
  mailsIn(text, found);
  numbersIn(text, found);
  wordsIn(text, found);
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isUpper = (code: number): boolean => code >= 65 && code <= 90;
const isAlnum = (code: number): boolean => isDigit(code) || isUpper(code) || (code >= 97 && code <= 122);

const LOCAL = 64;
const DOMAIN = 255;

/** Characters of the longest thing that is found: a mail address. */
export const PERSONAL_CHARS = LOCAL + 1 + DOMAIN;

/** `local@domain.tld`, as mail programs accept it (RFC 5321 without quotes). */
function mailsIn(text: string, found: Found): void {
  let past = 0;
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let from = at;
    while (from > past && at - from < LOCAL && isLocal(text.charCodeAt(from - 1))) from -= 1;
    let to = at + 1;
    let dot = -1;
    while (to < text.length && to - at < DOMAIN && isDomain(text.charCodeAt(to))) {
      if (text.charCodeAt(to) === 46) dot = to;
      to += 1;
    }
    const last = dot < 0 ? '' : text.slice(dot + 1, to);
    // A dot that ends a sentence is not of the domain.
    const domain = last === '' && dot > 0 ? text.slice(at + 1, dot) : text.slice(at + 1, to);
    const top = domain.slice(domain.lastIndexOf('.') + 1);
    if (from < at && domain.includes('.') && !domain.startsWith('.') && /^[A-Za-z]{2,24}$/.test(top)) found('email');
    past = at + 1;
  }
}

const isLocal = (code: number): boolean => isAlnum(code) || code === 46 || code === 95 || code === 37 || code === 43 || code === 45;
const isDomain = (code: number): boolean => isAlnum(code) || code === 46 || code === 45;

/** Digits with single separators between them. A longer run is not the number of a person. */
const DIGITS = 24;

/** Cards, telephones and national numbers that consist of digits. */
function numbersIn(text: string, found: Found): void {
  for (let at = 0; at < text.length; at += 1) {
    if (!isDigit(text.charCodeAt(at)) || (at > 0 && isAlnum(text.charCodeAt(at - 1)))) continue;
    let digits = '';
    let end = at;
    let form = '';
    let isTooLong = false;
    for (let to = at; to < text.length; to += 1) {
      const code = text.charCodeAt(to);
      if (isDigit(code)) {
        isTooLong ||= digits.length >= DIGITS;
        if (!isTooLong) digits += text[to];
        form += isTooLong ? '' : '9';
        end = to + 1;
      } else if (isSeparator(code) && to === end) form += text[to];
      else break;
    }
    const isInWord = end < text.length && isAlnum(text.charCodeAt(end));
    const isDecimal = (at > 0 && text[at - 1] === '.') || (text[at - 1] === ',' && isDigit(text.charCodeAt(at - 2)));
    if (!isTooLong && !isInWord && !isDecimal && digits.length >= 9) {
      const plus = at > 0 && text[at - 1] === '+';
      const kind = kindOf(digits, form.slice(0, form.lastIndexOf('9') + 1), plus);
      if (kind !== undefined) found(kind);
    }
    at = Math.max(at, end - 1);
  }
}

/** Blank, hyphen, dot, brackets, slash. */
const isSeparator = (code: number): boolean => code === 32 || code === 45 || code === 46 || code === 40 || code === 41 || code === 47;

/** @param form the number with 9 for each digit, separators kept */
function kindOf(digits: string, form: string, plus: boolean): string | undefined {
  if (plus) return digits.length <= 15 && digits[0] !== '0' ? 'phone' : undefined;
  if (isCard(digits, form)) return 'card';
  const national = NATIONAL.find(({ forms, check }) => forms.includes(form) && check(digits));
  return national && `national_id_${national.country}`;
}

/** Numbers of cards by network: their first digits and length (ISO/IEC 7812). */
const NETWORKS = /^(?:4\d{12}|4\d{15}|4\d{18}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6(?:011|4\d\d|5\d\d)\d{12}|35\d{14})$/;

function isCard(digits: string, form: string): boolean {
  if (digits.length < 13 || digits.length > 19 || !NETWORKS.test(digits)) return false;
  if (!['9', ' ', '-'].some((separator) => isGrouped(form, separator))) return false;
  return new Set(digits).size > 1 && luhn(digits);
}

/** Without separators, or in groups of three or more digits by one separator. */
function isGrouped(form: string, separator: string): boolean {
  const groups = separator === '9' ? [form] : form.split(separator);
  return groups.every((group) => /^9+$/.test(group) && (groups.length === 1 || group.length >= 3));
}

function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = Number(digits[digits.length - 1 - i]);
    const twice = i % 2 === 0 ? digit : digit * 2;
    sum += twice > 9 ? twice - 9 : twice;
  }
  return sum % 10 === 0;
}

interface National {
  readonly country: string;
  readonly forms: readonly string[];
  readonly check: (digits: string) => boolean;
}

/** Sum of digits times weights. */
const weighed = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * Number(digits[i]), 0);

const isDay = (month: string, day: string): boolean => Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= 31;

/** Numbers without a checksum, or that look like any other number, are taken only in the form in which people write them. */
const NATIONAL: readonly National[] = [
  // Brazil, CPF: two digits modulo 11.
  { country: 'br', forms: ['999.999.999-99'], check: isCpf },
  // France, NIR: 97 minus the number modulo 97.
  {
    country: 'fr',
    forms: ['999999999999999', '9 99 99 99 999 999 99'],
    check: (digits) =>
      /^[12]/.test(digits) && isDay(digits.slice(3, 5), '1') && 97 - (Number(digits.slice(0, 13)) % 97) === Number(digits.slice(13)),
  },
  // Poland, PESEL: a day of birth, and a weighed sum modulo 10.
  { country: 'pl', forms: ['99999999999'], check: isPesel },
  // Sweden, personnummer: a day of birth, and Luhn's sum.
  { country: 'se', forms: ['999999-9999'], check: (digits) => isDay(digits.slice(2, 4), digits.slice(4, 6)) && luhn(digits) },
  // United States, SSN: no checksum; areas that were never given out.
  {
    country: 'us',
    forms: ['999-99-9999'],
    check: (digits) => !/^(?:000|666|9)/.test(digits) && !/^...00/.test(digits) && !digits.endsWith('0000'),
  },
];

function isCpf(digits: string): boolean {
  if (new Set(digits).size === 1) return false;
  const check = (count: number) => {
    const rest =
      (weighed(
        digits,
        Array.from({ length: count }, (_, i) => count + 1 - i),
      ) *
        10) %
      11;
    return rest === 10 ? 0 : rest;
  };
  return check(9) === Number(digits[9]) && check(10) === Number(digits[10]);
}

function isPesel(digits: string): boolean {
  // The century is added to the month.
  const month = String(Number(digits.slice(2, 4)) % 20);
  const sum = weighed(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
  return isDay(month, digits.slice(4, 6)) && (10 - (sum % 10)) % 10 === Number(digits[10]);
}

/** IBANs and national numbers with letters. */
function wordsIn(text: string, found: Found): void {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (!isAlnum(code) || (at > 0 && isAlnum(text.charCodeAt(at - 1)))) continue;
    if (isUpper(code) && isIban(text, at)) {
      found('iban');
      at += 4;
      continue;
    }
    let end = at;
    while (end < text.length && end - at <= WORD && isAlnum(text.charCodeAt(end))) end += 1;
    if (end - at > WORD) {
      at = end;
      continue;
    }
    const kind = wordKind(text.slice(at, end), text, end);
    if (kind !== undefined) found(`national_id_${kind}`);
    at = end;
  }
}

/** Length of the longest word that is looked at. */
const WORD = 16;

/** Length of an IBAN by country (ISO 13616). */
const IBAN_LENGTH: Readonly<Record<string, number>> = Object.fromEntries(
  `AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 ES24 FI18 FO18 FR27 GB22 GE22 GI23
   GL18 GR27 GT28 HR21 HU28 IE22 IL23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18
   NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SE24 SI19 SK24 SM27 TN24 TR26 UA29 VG24 XK20`
    .split(/\s+/)
    .map((one) => [one.slice(0, 2), Number(one.slice(2))]),
);

/** Whether an IBAN begins here: as one word, or in groups of four. Its remainder modulo 97 is 1 (ISO 7064). */
function isIban(text: string, at: number): boolean {
  const length = IBAN_LENGTH[text.slice(at, at + 2)];
  if (length === undefined || !isDigit(text.charCodeAt(at + 2)) || !isDigit(text.charCodeAt(at + 3))) return false;
  let iban = '';
  let to = at;
  for (; to < text.length && iban.length < length; to += 1) {
    const code = text.charCodeAt(to);
    if (isDigit(code) || isUpper(code)) iban += text[to];
    else if (code !== 32 || iban.length % 4 !== 0) return false;
  }
  if (iban.length < length || (to < text.length && isAlnum(text.charCodeAt(to)))) return false;
  let rest = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

const DNI = 'TRWAGMYFPDXBNJZSQVHLCKE';
const HETU = '0123456789ABCDEFHJKLMNPRSTUVWXY';

function wordKind(word: string, text: string, end: number): string | undefined {
  // Spain, DNI and NIE: a letter by the number modulo 23.
  if (/^[XYZ\d]\d{7}[A-Z]$/.test(word)) {
    const number = Number(word.slice(0, 8).replace(/^[XYZ]/, (letter) => String('XYZ'.indexOf(letter))));
    return DNI[number % 23] === word[8] ? 'es' : undefined;
  }
  // Italy, codice fiscale.
  if (word.length === 16 && /^[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]$/.test(word)) return isCodiceFiscale(word) ? 'it' : undefined;
  // Finland, henkilötunnus: a day of birth, a sign of the century, and a letter by the number modulo 31.
  if (/^\d{6}$/.test(word) && /^[-+A][0-9]{3}[0-9A-Y]$/.test(text.slice(end, end + 5)) && isDay(word.slice(2, 4), word.slice(0, 2))) {
    const number = Number(word + text.slice(end + 1, end + 4));
    if (!isAlnum(text.charCodeAt(end + 5)) && HETU[number % 31] === text[end + 4]) return 'fi';
  }
  return undefined;
}

/** Value of each character at an odd place, counted from the first; at an even place it is its own order. */
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

function isCodiceFiscale(code: string): boolean {
  let sum = 0;
  for (let i = 0; i < 15; i += 1) {
    const character = code[i] as string;
    const order = /\d/.test(character) ? Number(character) : character.charCodeAt(0) - 65;
    sum += i % 2 === 0 ? (ODD[order] as number) : order;
  }
  return String.fromCharCode(65 + (sum % 26)) === code[15];
}
