/**
 * Thresholds that a configuration states without Cedar (`risk`). They become named policies, so that verdicts, approvals and logs show
 * them like any other rule. `decideRisk` says the same in TypeScript; a test holds the two together.
 */
import type { PolicySource } from '../cedar/source.ts';

/** One person, two different people, or nobody may allow the call. From mild to severe. */
export const RISK_ANSWERS = ['ask', 'two', 'never'] as const;
export type RiskAnswer = (typeof RISK_ANSWERS)[number];
/** Amounts in whole units of the currency, each an upper limit that is still allowed. */
export interface RiskAmounts {
  readonly ask?: number;
  readonly two?: number;
  readonly never?: number;
  /** The most money that an agent spends on a day of UTC. */
  readonly day?: number;
}
/** By `external`, `irreversible`, or the name of a tool in which `*` stands for any text. */
export type Risk = Readonly<Record<string, RiskAnswer | RiskAmounts>>;

/** The file that verdicts and problems name. */
export const RISK_FILE = 'risk.cedar';
/** Digits after the point of Cedar's decimals. */
export const RISK_DIGITS = 4;

/** The facts of a call that the rules use. */
export interface RiskFacts {
  readonly tool: string;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly openWorld: boolean;
  /** Money that the call moves; undefined if it is not known. */
  readonly amount: number | undefined;
  /** `amount`, and what the agent has spent or reserved on this day before. */
  readonly amount_day: number | undefined;
}

const CLASSES = {
  external: { about: 'changes something beyond this host', is: ({ openWorld }: RiskFacts) => openWorld, when: 'resource.openWorld' },
  irreversible: {
    about: 'makes changes that cannot be undone',
    is: ({ destructive }: RiskFacts) => destructive,
    when: 'resource.destructive',
  },
} as const;
type RiskClass = keyof typeof CLASSES;
export const isRiskClass = (name: string): name is RiskClass => Object.hasOwn(CLASSES, name);

/** Whether a rule by this name is about a tool. */
export function isRiskOf(name: string, tool: string): boolean {
  const parts = name.split('*');
  const [first = ''] = parts;
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return name === tool;
  if (!tool.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = tool.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return tool.length - last.length >= at && tool.endsWith(last);
}

/** The most severe answer of the rules to a call; undefined: they allow it. Reading is free. */
export function decideRisk(risk: Risk, facts: RiskFacts): RiskAnswer | undefined {
  const { tool, amount, amount_day } = facts;
  if (facts.readOnly) return undefined;
  const said: RiskAnswer[] = [];
  for (const [name, rule] of Object.entries(risk)) {
    if (isRiskClass(name) ? !CLASSES[name].is(facts) : !isRiskOf(name, tool)) continue;
    if (typeof rule === 'string') said.push(rule);
    else {
      if (amount === undefined) said.push('never');
      for (const answer of RISK_ANSWERS) if (amount !== undefined && rule[answer] !== undefined && amount > rule[answer]) said.push(answer);
      if (rule.day !== undefined && (amount_day === undefined || amount_day > rule.day)) said.push('never');
    }
  }
  return RISK_ANSWERS.findLast((answer) => said.includes(answer));
}

/** The rules as policies. Without other policies, what an agent was granted is permitted. */
export function riskPolicies(risk: Risk, alone: boolean): PolicySource {
  const rules = Object.entries(risk).flatMap(([name, rule]) => rulesOf(name, rule));
  const permit = '@id("granted")\n@description("What an agent was granted it may use.")\npermit (principal, action, resource);';
  const head = '// Made from `risk` of the configuration. Amounts are in whole units of the currency.';
  return { file: RISK_FILE, text: `${[head, ...(alone ? [permit] : []), ...rules].join('\n\n')}\n` };
}

function rulesOf(name: string, rule: RiskAnswer | RiskAmounts): string[] {
  const of = isRiskClass(name)
    ? CLASSES[name].when
    : name.includes('*')
      ? `resource.name like ${quoted(name)}`
      : `resource.name == ${quoted(name)}`;
  const about = isRiskClass(name) ? `a call that ${CLASSES[name].about}` : `a call of ${name}`;
  if (typeof rule === 'string') return [policy(`${name}/${rule}`, rule, `${sentence(about)} ${FOLLOWS[rule]}.`, of)];
  const { day } = rule;
  const unknown = day === undefined ? '!(context.call has amount)' : '(!(context.call has amount) || !(context.call has amount_day))';
  return [
    policy(`${name}/unknown`, 'never', `${sentence(about)} is refused if the amount is not known.`, `${of} && ${unknown}`),
    ...RISK_ANSWERS.flatMap((answer) => {
      const most = rule[answer];
      if (most === undefined) return [];
      const text = `${sentence(about)} that moves more than ${most} ${FOLLOWS[answer]}.`;
      return [
        policy(`${name}/${answer}`, answer, text, `${of} && context.call has amount && context.call.amount.greaterThan(${decimal(most)})`),
      ];
    }),
    ...(day === undefined
      ? []
      : [
          policy(
            `${name}/day`,
            'never',
            `${sentence(about)} is refused if its agent would have spent more than ${day} on this day (UTC).`,
            `${of} && context.call has amount_day && context.call.amount_day.greaterThan(${decimal(day)})`,
          ),
        ]),
  ];
}

const FOLLOWS: Readonly<Record<RiskAnswer, string>> = {
  ask: 'waits for a person',
  two: 'waits for two different people',
  never: 'is refused',
};
const CONSEQUENCE: Readonly<Record<RiskAnswer, string>> = {
  ask: '@consequence("approval")',
  two: '@consequence("approval")\n@quorum("2")',
  never: '@consequence("deny")',
};

const policy = (id: string, answer: RiskAnswer, description: string, when: string): string =>
  `@id(${quoted(`risk/${id}`)})\n@description(${quoted(description)})\n${CONSEQUENCE[answer]}\nforbid (principal, action in Action::"call", resource)\nwhen { !resource.readOnly && ${when} };`;

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
/** Names of tools have no character that Cedar's strings escape. */
const quoted = (text: string) => JSON.stringify(text);
const decimal = (amount: number) => {
  const [whole = '0', digits = ''] = amount.toFixed(RISK_DIGITS).split('.');
  return `decimal("${whole}.${digits.replace(/0+$/, '').padEnd(1, '0')}")`;
};
