/**
 * Thresholds that a configuration states without Cedar (`risk`). They become named policies, so that verdicts, approvals and logs show
 * them like any other rule.
 */
import { like, type PatternPart } from '../cedar/like.ts';
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

const CLASSES = {
  // A model is beyond the host, and changes nothing there.
  external: { about: 'changes something beyond this host', when: 'resource.openWorld && !resource.repeatable' },
  irreversible: { about: 'makes changes that cannot be undone', when: 'resource.destructive' },
} as const;
type RiskClass = keyof typeof CLASSES;
export const isRiskClass = (name: string): name is RiskClass => Object.hasOwn(CLASSES, name);

/** Whether a rule by this name is about a tool. */
export const isRiskOf = (name: string, tool: string): boolean =>
  like(name.split('*').flatMap((Literal, i): PatternPart[] => (i === 0 ? [{ Literal }] : ['Wildcard', { Literal }])))(tool);

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
