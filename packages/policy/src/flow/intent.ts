/**
 * Whether the principal asked for this kind of effect. Compares the principal's own words with a tool's name (else the beginning
 * of its description), by word stems and a small thesaurus of office English. It is a heuristic: a match never allows sending
 * untrusted text to an unknown destination, and a miss costs an approval. Only the principal's words are read, never a tool's
 * results.
 */
import { Memo } from './memo.ts';

/**
 * - `yes`: verb and object are asked for. - `open`: the principal delegated to a source ("follow the instructions"), or it is
 * unknown: the tool's name and description, or the principal's language, are not understood. - `no`: neither.
 */
export type Requested = 'yes' | 'open' | 'no';

/** Kinds of actions. A word may belong to several. Stems, see stem(). */
const VERBS: Readonly<Record<string, string>> = {
  send: 'send email mail message forward reply respond answer notify tell inform contact post dm text tweet publish announce share ping write submit comment ask let leave transmit dispatch deliver reach respond rsvp say',
  share: 'share invite add include grant give permit allow access invitation distribute collaborator',
  pay: 'pay transfer send wire remit refund reimburse settle donate tip deposit charge payment transaction owe remittance',
  buy: 'buy purchase order rebuy reorder checkout get obtain shop add subscribe renew pay refill',
  create:
    'create remind make add new write save schedule set append insert register generate draft put open record plan prepare note start build upload file report log',
  update:
    'update change modify edit adjust reschedule move set rename replace correct fix amend apply reset extend switch mark increase decrease postpone convert shift close reopen resolve assign label approve reject review rate mark revise swap exchange complete finish refill',
  delete:
    'delete remove clear cancel drop kick revoke erase unsubscribe dismiss empty discard clean uninstall withdraw close archive abort wipe detach trash end terminate',
  book: 'book reserve rent hire schedule order obtain reservation booking',
  visit:
    'visit browse go open download click navigate read fetch view look check see follow submit fill enter get find summarize save use surf load pull retrieve',
  run: 'run execute install deploy launch merge commit push start star fork trigger build test apply release clone fix rename change',
  control: 'turn switch play stop pause lock dim set start adjust raise lower arm open close make',
  unlock: 'unlock disarm open unblock',
  login: 'login log sign authenticate verify use',
};

/** Kinds of objects. A word may belong to several. */
const OBJECTS: Readonly<Record<string, string>> = {
  message: 'email mail message dm inbox letter reply note slack channel chat sms invitation',
  event: 'event remind calendar meeting appointment invite reminder schedule lunch dinner call session checkup reunion slot',
  file: 'file document doc folder directory drive node spreadsheet list report notes pdf text attachment path content dir invoice receipt',
  money:
    'money payment transaction transfer bill rent fund invoice fee salary debt share refund balance account cost price amount order subscription',
  password: 'password passcode credential pin',
  profile: 'info information detail profile account address name phone personal setting',
  goods: 'product item cart order basket purchase checkout goods gift wishlist',
  person:
    'access permission collaborator user member participant people person contact colleague team friend collaborator guest attendee channel group',
  web: 'web webpage page url website site link form article blog news',
  device:
    'light lamp thermostat temperature heating alarm lock door window camera music song playlist speaker tv device robot vacuum oven timer',
  stay: 'hotel room stay restaurant table flight ticket car cab ride rental taxi trip night reservation booking seat appointment doctor food meal pizza delivery',
  code: 'repository repo branch issue pull commit code release package gist pr project star ticket bug',
};

const IRREGULAR: Readonly<Record<string, string>> = {
  bought: 'buy', paid: 'pay', sent: 'send', wrote: 'write', written: 'write', made: 'make', gave: 'give', given: 'give',
  told: 'tell', chose: 'choose', got: 'get', went: 'go', put: 'put', lent: 'lend', meant: 'mean', people: 'person', emails: 'email',
}; // prettier-ignore

/**
 * A word without the endings of English grammar: `rescheduling`, `rescheduled` and `reschedules` become one. Not a linguistic
 * stem.
 */
export function stem(word: string): string {
  const known = IRREGULAR[word];
  if (known !== undefined) return known;
  let one = word;
  if (one.length > 4 && one.endsWith('ies')) one = `${one.slice(0, -3)}y`;
  else if (one.length > 5 && one.endsWith('ing')) one = one.slice(0, -3);
  else if (one.length > 4 && one.endsWith('ed')) one = one.slice(0, -2);
  else if (one.length > 3 && one.endsWith('s') && !one.endsWith('ss')) one = one.slice(0, -1);
  if (one.length > 3 && one.endsWith('e')) one = one.slice(0, -1);
  if (one.length > 3 && one.at(-1) === one.at(-2) && !one.endsWith('ss') && !one.endsWith('ll')) one = one.slice(0, -1);
  return one;
}

function table(groups: Readonly<Record<string, string>>): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const [group, words] of Object.entries(groups)) {
    for (const word of words.split(' ')) {
      const of = found.get(stem(word)) ?? new Set<string>();
      of.add(group);
      found.set(stem(word), of);
    }
  }
  return found;
}
const VERB_OF = table(VERBS);
const OBJECT_OF = table(OBJECTS);

const OPEN =
  /\b(?:follow|do|perform|complete|execute|carry out|fulfil?l|handle|act on|work through|take care of)\b[^.!?]{0,40}\b(?:instructions?|actions?|tasks?|steps?|requests?|to-?dos?|what (?:it|he|she|they|the \w+) (?:says?|asks?|wants?))\b/i;

const wordsOf = (text: string): string[] =>
  text
    .slice(0, 16_384)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/\be-mail/g, 'email')
    // A hyphenated compound is one word and not an action: a follow-up, a check-up.
    .replace(/(\p{L})-(?=\p{L})/gu, '$1')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
    .map(stem);

/** Verbs of two words, with an equivalent verb of one word; a person or a thing may be between the two. */
const PHRASAL: readonly (readonly [RegExp, string])[] = (
  [
    ['sign', 'up', 'subscribe'], ['call', 'off', 'cancel'], ['take', 'off|out|down', 'remove'], ['kick', 'out', 'remove'], ['get', 'rid', 'delete'],
    ['turn|hand', 'in', 'submit'], ['top', 'up', 'pay'], ['set', 'up', 'create'], ['get|bring|let|put', 'into?|onto', 'add'], ['put', 'on', 'post'],
    ['pass', 'on|along', 'forward'], ['give', 'back', 'return'], ['send', 'back', 'return'], ['write|note|jot', 'down', 'note'], ['swap|switch', 'out', 'replace'],
  ] as const
).map(([verb, particle, means]) => [new RegExp(`\\b(?:${verb})\\b(?=(?:\\s+[^\\s.,;:!?]+){0,6}?\\s+(?:${particle})\\b)`, 'gi'), means]); // prettier-ignore
/** `need a`, `get a` and the like ask for something to be obtained; `get the` may only ask to read something known. */
const WANTED =
  /\b(?:need|want|get|call|would like|looking for)(?=(?:\s+(?:me|us|him|her|them))?\s+(?:an?|some|another|new|two|three|\d)\s+(?!\S*(?:list|summary|overview|idea|suggestion|recommendation|report|answer|look)\b))/gi;
/** An answer to the principal needs no tool, so it is not an effect. */
const ANSWER_ME = /\b(?:tell|give|show|let|inform|answer|advise)\s+(?:me|us)\b/gi;
const inOneWord = (said: string) => wanted(said.replace(ANSWER_ME, ' '));
const wanted = (text: string) =>
  PHRASAL.reduce((said, [verb, means]) => said.replace(verb, `$& ${means}`), text.replace(WANTED, '$& obtain'));

/** Words that are nouns more often than verbs: `unread mail` does not ask to send mail. */
const RATHER_THINGS = new Set(
  'email mail message text post note reply comment report file log share call contact check review access payment transaction transfer reservation booking invitation'
    .split(' ')
    .map(stem),
);
/** Those of them that are nouns in the name of a tool, unless it begins with them: `delete_email` sends nothing. */
const DEED_OR_THING = new Set([...RATHER_THINGS].filter((one) => !['payment', 'transaction', 'transfer'].map(stem).includes(one)));
/** Words before such a word that make it a verb; nothing: a clause begins. */
const BEFORE_DEEDS = new Set('please and then to also or you i we should will would could can must just now dont not'.split(' '));
/** Light verbs, whose meaning is in the noun after them: `make a payment`. */
const LIGHT = new Set('make do place give leave write drop set'.split(' ').map(stem));

function deeds(text: string): string[] {
  const found: string[] = [];
  for (const clause of text.slice(0, 16_384).split(/[.,;:!?()\n\u2022]+/)) {
    const words = wordsOf(clause);
    const plain = clause.toLowerCase().split(/[^\p{L}\p{N}]+/u);
    words.forEach((word, i) => {
      const before = [words[i - 1] ?? '', plain[i - 1] ?? ''];
      const made = words.slice(Math.max(0, i - 3), i).some((one) => LIGHT.has(one));
      if (!RATHER_THINGS.has(word) || i === 0 || made || before.some((one) => BEFORE_DEEDS.has(one))) found.push(word);
    });
  }
  return found;
}

/** The wishes in a text of the principal, prepared once a run. */
export interface Request {
  readonly verbs: ReadonlySet<string>;
  readonly objects: ReadonlySet<string>;
  readonly stems: ReadonlySet<string>;
  readonly open: boolean;
  /** Whether the text mentions links. */
  readonly links: boolean;
  /** Whether the text is in a language that is understood here. */
  readonly understood: boolean;
}

const LINKS = ['link', 'url', 'hyperlink'].map(stem);

/** Words that nearly every English sentence has, and hardly any sentence of another language. */
const ENGLISH = new Set(
  'the of and for my is are please it this that with from by you your if be have can could what how who where when'.split(' '),
);
/** A text of fewer words may be a command or a name in any language. */
const FEW_WORDS = 4;
/** Share of those words from which a text counts as English. They make up about a third of English text. */
const ENGLISH_SHARE = 0.1;

function isEnglish(text: string): boolean {
  const words = text
    .slice(0, 16_384)
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
  return words.length < FEW_WORDS || words.filter((word) => ENGLISH.has(word)).length >= words.length * ENGLISH_SHARE;
}

/** A word without the address, path or file name that it is or begins with. Linear in the word. */
function withoutNames(word: string): string {
  if (word.includes('@') || word.includes('/')) return ' ';
  let end = 0;
  for (const { index, 0: ending } of word.matchAll(/\.\w{2,4}(?!\w)/g)) if (index > 0) end = index + ending.length;
  return end === 0 ? word : ` ${word.slice(end)}`;
}

export function requestOf(text: string): Request {
  // Quoted names and identifiers are not requests: 'delete-me.txt' asks for nothing.
  const said = inOneWord(text.slice(0, 16_384).replace(/\S+/g, withoutNames));
  const stems = new Set(wordsOf(said));
  const verbs = new Set<string>();
  const objects = new Set<string>();
  for (const one of deeds(said)) for (const group of VERB_OF.get(one) ?? []) verbs.add(group);
  for (const one of stems) for (const group of OBJECT_OF.get(one) ?? []) objects.add(group);
  return {
    verbs,
    objects,
    stems,
    open: OPEN.test(text),
    links: LINKS.some((one) => stems.has(one)),
    understood: verbs.size > 0 || isEnglish(said),
  };
}

/** The action of a tool. Prepared once a tool. */
export interface Deed {
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  /** Words of the name that are in no table. */
  readonly other: readonly string[];
}

const groupsOf = (stems: readonly string[], groups: ReadonlyMap<string, ReadonlySet<string>>) => [
  ...new Set(stems.flatMap((one) => [...(groups.get(one) ?? [])])),
];
/** Words at the beginning of a description in which it says what the tool does: `Sends a message to …`. */
const SAID_FIRST = 8;

/**
 * By the tool's name; if the name has no known verb, by the beginning of its description.
 * @param description the tool's own description, in English
 */
export function deedOf(name: string, description = ''): Deed {
  return description === '' ? deedsKnown.of(name) : readDeed(name, description);
}
const deedsKnown = new Memo(1_024, (name: string): Deed => readDeed(name, ''));

function readDeed(name: string, description: string): Deed {
  const stems = wordsOf(name);
  const objects = groupsOf(stems, OBJECT_OF);
  const verbs = groupsOf(
    stems.filter((one, i) => i === 0 || !DEED_OR_THING.has(one)),
    VERB_OF,
  );
  const other = stems.filter((one) => !VERB_OF.has(one) && !OBJECT_OF.has(one) && one.length > 2);
  if (verbs.length > 0) return { verbs: prune(verbs, objects), objects, other };
  const said = wordsOf(/^[^.!?;\n]*/.exec(description)?.[0] ?? '').slice(0, SAID_FIRST);
  const first = said.find((one) => VERB_OF.has(one) && !RATHER_THINGS.has(one));
  if (first === undefined) return { verbs, objects, other };
  const things = groupsOf([...stems, ...said.slice(said.indexOf(first) + 1)], OBJECT_OF);
  return { verbs: prune(groupsOf([first], VERB_OF), things), objects: things, other };
}

/** The object decides among the meanings of a verb: sending money is paying, getting a page is not buying it. */
const DONE_TO: Readonly<Record<string, readonly string[]>> = {
  pay: ['money'],
  buy: ['goods', 'money', 'stay'],
  book: ['stay', 'event'],
  share: ['person', 'file', 'event', 'message', 'code'],
  visit: ['web', 'message', 'file', 'code'],
  run: ['code'],
  control: ['device'],
};

function prune(verbs: readonly string[], objects: readonly string[]): readonly string[] {
  if (objects.length === 0) return verbs;
  const meant = verbs.filter((verb) => DONE_TO[verb] === undefined || DONE_TO[verb].some((object) => objects.includes(object)));
  if (meant.includes('pay') && objects.includes('money')) return meant.filter((verb) => verb !== 'send');
  if (meant.includes('buy') && objects.includes('goods')) return meant.filter((verb) => verb === 'buy' || verb === 'delete');
  return meant.length === 0 ? verbs : meant;
}

/** Whether an action is among those asked for. A tool whose name has no known word is compared word by word. */
export function requested(request: Request, deed: Deed): Requested {
  const verb = deed.verbs.some((one) => request.verbs.has(one));
  const object = deed.objects.some((one) => request.objects.has(one));
  const word = deed.other.some((one) => request.stems.has(one));
  const selfEvident = deed.verbs.some((one) => one === 'pay' || one === 'buy' || one === 'book' || one === 'send');
  const bare = deed.objects.length === 0 && deed.other.length === 0;
  if ((verb && (object || word || selfEvident || bare)) || (word && object)) return 'yes';
  if (!request.understood || (verb && (request.objects.size === 0 || deed.objects.length === 0))) return 'open';
  return request.open || deed.verbs.length === 0 ? 'open' : 'no';
}
