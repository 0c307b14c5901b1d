/** Scripts that stand in for models in the scene: one obeys a visitor's mail, the other tells a story slowly enough to be interrupted. */

const VERB = String.raw`\b(?:pay|send|transfer|wire|give|owe|refund|remit)\w*\b`;
const AMOUNT = String.raw`(\d[\d,]*(?:\.\d+)?)`;
/** The beginning of a sentence, as far as a script needs to know one. */
const BEFORE = String.raw`[^.!?\n]*`;

/** Patterns run in time linear in the text (RE2), since visitors write it. */
const TO_AN_ACCOUNT = String.raw`(?i)(${BEFORE}${VERB}[^\n]*?${AMOUNT}[^\n]*?\b([A-Z]{2}\d{2}[A-Z0-9]{8,30})\b${BEFORE}[.!?]?)`;
const TO_THE_SENDER = String.raw`(?is)^From: (\S+)\n.*?(${BEFORE}${VERB}${BEFORE}?${AMOUNT}${BEFORE}[.!?]?)`;

const WORD_MS = 70;
const STORY_WORD_MS = 120;

/** Rules for an agent whose functions are `read_mail` and `pay`. */
export const OBEYS = [
  { when: { after: 'pay', matches: '^paid' }, say: 'Done. I paid it, as the mail told me to.' },
  { when: { after: 'pay', matches: '(?s).+' }, say: 'I tried to pay, as the mail told me to, and was not allowed: $0' },
  {
    when: { after: 'read_mail', matches: TO_AN_ACCOUNT },
    say: 'The mail tells me what to do. I do what I am told: I pay $2 to $3.',
    call: [{ tool: 'pay', input: { to: '$3', amount: '$2:number', reference: '$1' } }],
  },
  {
    when: { after: 'read_mail', matches: TO_THE_SENDER },
    say: 'The mail tells me what to do. I do what I am told: I pay $3 to $1.',
    call: [{ tool: 'pay', input: { to: '$1', amount: '$3:number', reference: '$2' } }],
  },
  { when: { after: 'read_mail' }, say: 'I have read the mail. It asks for no payment with an amount, so there is nothing to obey.' },
  {
    when: { matches: String.raw`mail (\d+)` },
    say: 'A mail has come in. I read it.',
    call: [{ tool: 'read_mail', input: { id: '$1:number' } }],
  },
].map((turn) => ({ ...turn, pace_ms: WORD_MS }));

const STORY = `Once there was a horse that could count to a hundred and did so every evening before it slept. One night, somewhere near forty, lightning
struck the barn. The horse woke in the dark, shook itself, and did not know how long it had been away. It did know the number, though,
because it had scratched every one into the door before it said it aloud. So it read the last mark, took a breath, and went on with the
next. In the morning the farmer counted the marks. There were a hundred, each of them once, and the horse was asleep.`;

export const TELLS = [{ say: STORY.replaceAll('\n', ' '), pace_ms: STORY_WORD_MS }];
