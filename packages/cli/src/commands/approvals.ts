/**
 * Approvals and quarantines: what waits for people, their decisions, the quarantines they put up, and how decisions are shown.
 */
import { hash } from 'node:crypto';
import type { Command } from 'commander';
import { approversText } from '@corral/protocol/api/roles';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { ranges } from '@corral/protocol/ranges';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { wholeNumber } from '../whole-number.ts';
import { loweredText } from '../screen/entries.ts';
import { duration, printable, table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { withheldText } from '../screen/withheld.ts';
import { inTenant } from './agents.ts';
import { decided, holdsOf, type HoldFlags } from './approving.ts';
import { history, type HistoryFlags } from './approval-history.ts';
import { isMany, manyFlags, onlyOf, settled, settleMany, type ManyFlags } from './settle.ts';
import { printWaiting, waiting, waitingFlags, type WaitingFlags } from './waiting.ts';

type Approval = RouteAnswer<'listApprovals'>['items'][number];
type Decisions = RouteAnswer<'whyRun'>['decisions'];
type Quarantine = RouteAnswer<'listQuarantines'>['items'][number];

interface Flags extends HostFlags {
  readonly tenant?: string;
  readonly reason?: string;
}

interface ListFlags extends WaitingFlags, HistoryFlags {
  readonly history?: boolean;
  readonly groups?: boolean;
}

export const callsThatWait = (flags: WaitingFlags) => waiting(flags, (client, query) => client.listApprovals({ query }));

export function approvalCommands(program: Command): void {
  decisionCommands(program);
  verdictCommands(program);
  quarantineCommands(program);
}

const WHAT_WAS_SHOWN = {
  approve:
    'only as it was shown: of one call the version that `corral approvals` prints; with a filter what a dry run prints, for exactly its calls',
  deny: 'only as it was shown: the version that `corral approvals` prints of the call',
} as const;

/** @throws CORRAL_USAGE for options that are not for the list of what waits */
function mustBeOfHistory({ agent, tool, by, verdict, since, until }: ListFlags): void {
  const given = Object.entries({ agent, tool, by, verdict, since, until }).find(([, value]) => value !== undefined);
  if (given !== undefined) throw new CorralError('CORRAL_USAGE', `--${given[0]} is for --history.`);
}

function decisionCommands(program: Command): void {
  waitingFlags(hostFlags(program.command('approvals')), 'calls')
    .description('list calls that wait for people: who asks, what exactly, and what is unusual')
    .option('--groups', 'a line for calls of one agent to one tool with the same arguments but for their values')
    .option('--history', 'what people decided instead, the latest first; the options below are for it')
    .option('--agent <name>', 'of this agent')
    .option('--tool <name>', 'about calls to this tool')
    .option('--by <name>', 'by this person; me: by yourself')
    .option('--verdict <list>', 'approve, deny, answer, decline or expired, or several with commas')
    .option('--since <when>', 'decided after: a time such as 2026-03-01T02:00Z, or an age such as 2h')
    .option('--until <when>', 'decided before')
    .addHelpText('after', `\nExamples:\n  corral approvals\n  corral approvals --limit 20\n  corral approvals --history --by me --since 7d`)
    .action(async (flags: ListFlags) => {
      if (flags.history === true) return history(flags);
      mustBeOfHistory(flags);
      printWaiting(flags, await callsThatWait(flags), (items) =>
        flags.groups === true ? groupLines(items) : items.flatMap((one) => approvalLines(one, Date.now())),
      );
    });
}

function verdictCommands(program: Command): void {
  for (const [verdict, about, done, example] of [
    ['approve', 'approve a call that waits, as yourself; the submitter of its run may not', 'approved', 'a known supplier'],
    [
      'deny',
      'refuse a call that waits, as yourself; the submitter of its run may not; its agent is told so',
      'denied',
      'nobody here knows this account',
    ],
  ] as const) {
    const command = manyFlags(hostFlags(program.command(verdict)));
    if (verdict === 'approve')
      command
        .option(
          '--also <which>',
          'later calls of the run with the same names of arguments: to the same destination, or of the same shape to any',
        )
        .option('--uses <number>', 'with --also: for this many further calls; left out: 10')
        .option('--amount <money>', 'with --also: for this much money in all; required if the tool moves money')
        .option('--within <time>', 'with --also: for this long: 15m, 2h; left out: 1h');
    command
      .option('--shown <what>', WHAT_WAS_SHOWN[verdict])
      .option('--shape <name>', 'of calls of this shape, as `corral approvals --groups` names it')
      .description(about)
      .argument('[run]')
      .argument('[call]', 'number of the call, from `corral approvals`; not needed where one call of the run waits')
      .option('-m, --reason <text>', 'reason; it is recorded')
      .addHelpText('after', `\nExample:\n  corral ${verdict} run_3k9x7m2p4q5r 7 -m '${example}'`)
      .action(async (run: RunId, call: string | undefined, flags: ManyFlags & Flags & Shown & HoldFlags) => {
        const holds = holdsOf(flags);
        const many = isMany(run, flags);
        if (many && holds !== undefined) throw new CorralError('CORRAL_USAGE', '--also is for one call.');
        if (many) return verdict === 'approve' ? approveMany(flags) : settleMany(flags, verdict, reasonOf(flags));
        if (holds !== undefined && flags.shown === undefined)
          throw new CorralError('CORRAL_USAGE', '--also needs --shown, the version that `corral approvals` prints of the call.');
        const seen = flags.shown === undefined ? {} : { version: flags.shown };
        const reason = verdict === 'approve' && flags.reason === undefined ? {} : { reason: reasonOf(flags) };
        const body = { verdict, ...reason, ...seen, ...(holds === undefined ? {} : { holds }) } as Parameters<typeof decided>[2];
        const number = call === undefined ? await onlyCall(verdict, run, flags) : wholeNumber(call, 'CALL');
        const judged = await decided(flags, { run, call: number }, body);
        const { missing, holds_until } = judged;
        const more =
          (missing === 0 ? '' : `; ${missing} more ${missing === 1 ? 'person' : 'people'} must approve`) +
          (holds_until === undefined ? '' : `; it holds for later calls until ${moment(holds_until)}`);
        print(flags, judged, () => `${judged.run}  call ${judged.call}  ${done} by ${judged.by}${more}`);
      });
  }
}

/** Names the quarantine that this one takes the place of: by whom, when and why. */
function replacing({ replaced }: RouteAnswer<'putQuarantine'>): string {
  if (replaced === undefined) return '';
  const { by, at, reason } = replaced;
  return printable(`; it replaces the one that ${by} put up at ${moment(at)}: ${reason}`);
}

function quarantineCommands(program: Command): void {
  const quarantine = hostFlags(program.command('quarantine'))
    .description('stop an agent, version, tenant or tool, durably: its runs are neither submitted nor woken, and the tool is not called')
    .argument('<kind>', 'agent, version, tenant or tool')
    .argument('<name>', 'its name; the digest of a version')
    .option('--tenant <name>', 'tenant of the agent or tool, on hosts with several')
    .option('-m, --reason <text>', 'reason; it is recorded (required)')
    .option('--dry-run', 'only say which runs it would stop')
    .addHelpText('after', `\nExample:\n  corral quarantine agent crawler -m 'it sends our prices away'`)
    .action(async (kind: Quarantine['kind'], name: string, flags: Flags & { readonly dryRun?: boolean }) => {
      const { dryRun = false } = flags;
      const put = await connect(flags).putQuarantine({ body: { kind, name, reason: reasonOf(flags), dryRun, ...inTenant(flags) } });
      const would = () =>
        [`would stop ${put.runs.length} ${put.runs.length === 1 ? 'run' : 'runs'}`, ...put.runs.map((run) => `  ${run}`)].join('\n');
      print(flags, put, () => (dryRun ? would() : `${put.kind} ${put.name}  under quarantine${replacing(put)}`));
    });
  hostFlags(quarantine.command('lift'))
    .description('lift a quarantine; runs that it stopped go on')
    .argument('<kind>', 'agent, version, tenant or tool')
    .argument('<name>')
    .option('--tenant <name>', 'tenant of the agent or tool, on hosts with several')
    .option('-m, --reason <text>', 'reason; it is recorded (required)')
    .option('--dry-run', 'only say which runs it would let go on')
    .addHelpText('after', `\nExample:\n  corral quarantine lift agent crawler -m 'fixed and reviewed'`)
    .action(async (kind: Quarantine['kind'], name: string, _: Flags, command: Command) => {
      // `quarantine` has the same options and parses them first.
      const flags = command.optsWithGlobals<Flags & { readonly dryRun?: boolean }>();
      const { dryRun = false } = flags;
      const lifted = await connect(flags).liftQuarantine({
        params: { kind, name },
        query: { reason: reasonOf(flags), ...(dryRun ? { dryRun: 'true' } : {}), ...inTenant(flags) },
      });
      const would = () =>
        [
          `would let ${lifted.runs.length} ${lifted.runs.length === 1 ? 'run' : 'runs'} go on`,
          ...lifted.runs.map((run) => `  ${run}`),
        ].join('\n');
      print(flags, lifted, () => (dryRun ? would() : `${lifted.kind} ${lifted.name}  lifted`));
    });
  hostFlags(program.command('quarantines'))
    .description('list quarantines in force')
    .option('--tenant <name>', 'only of this tenant')
    .addHelpText('after', `\nExample:\n  corral quarantines`)
    .action(async (flags: Flags) => {
      const { items } = await connect(flags).listQuarantines({ query: inTenant(flags) });
      print(flags, items, () =>
        table(
          [
            { title: 'KIND' },
            { title: 'NAME', max: 60 },
            { title: 'TENANT' },
            { title: 'SINCE' },
            { title: 'BY' },
            { title: 'WHY', max: 60 },
          ],
          items.map((one) => [one.kind, one.name, one.tenant ?? '', moment(one.at), one.by, printable(one.reason)]),
        ).join('\n'),
      );
    });
}

interface Shown {
  readonly shown?: string;
}

/**
 * Approves the calls that were shown, and none that came since: at a terminal after a question, else where --shown names what a dry run has
 * printed.
 */
async function approveMany(flags: ManyFlags & Flags & Shown): Promise<void> {
  const { hasTerminal, isAllowed } = await import('../ask.ts');
  const reason = reasonOf(flags);
  const plan = await settled(flags, 'approve', reason, true);
  const planned = new Set(plan.matched.map(({ run, call }) => `${run} ${call}`));
  // Each is approved as it is now, and not as it may be once the person has answered; one that the list lacks was shown to nobody.
  const calls = (await callsThatWait({ ...flags, later: true })).items.filter(({ run, call }) => planned.has(`${run} ${call}`));
  const only = calls.map(({ run, call, version }) => ({ run, call, version }));
  const shown = hash('sha256', JSON.stringify(only.map(({ run, call, version }) => `${run} ${call} ${version}`).sort())).slice(0, 12);
  const count = `${only.length} ${only.length === 1 ? 'call' : 'calls'}`;
  const preview = () => calls.flatMap((one) => approvalLines(one, Date.now()));
  if (flags.dryRun === true) {
    const list = only.length === 0 ? ['nothing waits for this'] : [...preview(), `these ${count}, and no others: --shown ${shown}`];
    return print(flags, { ...plan, shown }, () => list.join('\n'));
  }
  if (only.length > 0 && flags.shown === undefined) {
    if (!hasTerminal())
      throw new CorralError(
        'CORRAL_USAGE',
        `${count} would be approved, and nobody has seen which. \`--dry-run\` shows them, and ends with the option that approves these.`,
      );
    process.stderr.write(`${preview().join('\n')}\n`);
    if (!(await isAllowed(`Approve these ${count}?`))) throw new CorralError('CORRAL_USAGE', 'Nothing was approved.');
  }
  if (flags.shown !== undefined && flags.shown !== shown)
    throw new CorralError('CORRAL_USAGE', `Other calls wait now than those that were shown: ${count}. Look at them again with --dry-run.`);
  return settleMany(flags, 'approve', reason, { only });
}

/** The only call of a run that waits for people. @throws CORRAL_RUN_STATE if there is none, CORRAL_USAGE if there are several */
async function onlyCall(command: 'approve' | 'deny', run: RunId, flags: HostFlags): Promise<number> {
  return onlyOf(command, run, (await callsThatWait({ ...flags, run, later: true })).items);
}

/** @throws CORRAL_USAGE */
function reasonOf({ reason }: Flags): string {
  if (reason === undefined || reason === '') throw new CorralError('CORRAL_USAGE', 'Give a reason with -m; it is recorded.');
  return reason;
}

/** A line for each shape of call, the most frequent first, with how the reader has decided about such. */
function groupLines(items: readonly Approval[]): string[] {
  const groups = [...Map.groupBy(items, ({ shape }) => shape).entries()].toSorted(([, a], [, b]) => b.length - a.length);
  return table(
    [{ title: 'CALLS' }, { title: 'AGENT', max: 40 }, { title: 'TOOL', max: 40 }, { title: 'YOU APPROVED' }, { title: 'SHAPE' }],
    groups.map(([shape, [first, ...rest]]) => {
      const { agent = '', tool = '', such = { approved: 0, decided: 0 } } = first ?? {};
      return [String(rest.length + 1), agent, tool, such.decided === 0 ? '' : `${such.approved} of ${such.decided} such`, shape];
    }),
  );
}

function approvalLines(one: Approval, now: number): string[] {
  const by = one.approved_by.length === 0 ? '' : `, approved by ${one.approved_by.join(', ')}`;
  return [
    `${one.run}  call ${one.call}  ${one.tool}`,
    `  asked by    ${one.agent} of ${one.tenant}, submitted by ${one.principal}, ${duration(Math.max(0, now - one.since))} ago`,
    `  arguments   ${one.withheld === undefined ? printable(JSON.stringify(one.input)) : withheldText(one.withheld)}`,
    `  ordered     ${one.order.input === null && one.order.private_to.length > 0 ? `private to ${one.order.private_to.join(', ')}` : printable(JSON.stringify(one.order.input))}, by ${one.order.by}`,
    ...factLines(one),
    ...one.rule_texts.map(({ rule, text }) => `  ${rule} says  ${printable(text.replaceAll(/\s+/g, ' '))}`),
    ...one.quotes.map(quoteLine),
    ...(one.approvers.length === 0 ? [] : [`  is for      ${approversText(one.approvers, one.owner)}`]),
    ...(one.lowers === undefined ? [] : [lowersLine(one.lowers)]),
    ...(one.such.decided === 0 ? [] : [`  before      you approved ${one.such.approved} of ${one.such.decided} such`]),
    ...(one.claim === null ? [] : [`  looking     ${one.claim.by}, since ${moment(one.claim.since)}`]),
    `  version     ${one.version}`,
    `  needs       ${one.quorum} ${one.quorum === 1 ? 'person' : 'people'}${by}, until ${moment(one.expires_at)}`,
  ];
}

function quoteLine({ path, source, call, trusted, private_to, text, beside }: Approval['quotes'][number]): string {
  const from = `${source}${call === null ? '' : ` (call ${call})`}${trusted ? '' : ', untrusted'}`;
  const words = text === null ? `private to ${private_to.join(', ')}` : JSON.stringify(printable(text));
  const next = beside.map((one) => `${printable(one.name)} ${JSON.stringify(printable(one.text))}`).join(', ');
  return `  stands in   ${path}: ${from}: ${words}${next === '' ? '' : ` beside ${next}`}`;
}

function lowersLine({ kind, owner, of, influenced_by, private_to }: NonNullable<Approval['lowers']>): string {
  const label =
    kind === 'endorse' ? `influenced by ${influenced_by.join(', ') || 'nobody'}` : `private to ${private_to.join(', ') || 'nobody'}`;
  return `  lowers      the label of ${of === 'run' ? 'the run' : 'the value'}, ${label}; ${owner} alone decides`;
}

/** `never-so-much (asks-a-person also matched)`. */
const rulesText = ({ rules, also = [] }: Pick<Decisions[number], 'rules' | 'also'>): string => {
  const deciding = rules.filter((rule) => !also.includes(rule));
  return `${deciding.length === 0 ? 'none decided' : deciding.join(', ')}${also.length === 0 ? '' : ` (${also.join(', ')} also matched)`}`;
};

function factLines(of: Pick<Approval, 'rules' | 'unusual' | 'origins'> & Pick<Decisions[number], 'also'>): string[] {
  const { rules, unusual, origins } = of;
  return [
    ...(rules.length === 0 ? [] : [`  rules       ${rulesText(of)}`]),
    ...(unusual.length === 0 ? [] : [`  unusual     ${unusual.map((text) => text.replaceAll('_', ' ')).join('; ')}`]),
    ...(origins.length === 0
      ? []
      : [`  comes from  ${printable(origins.map(({ path, from }) => `${path || 'all'}: ${from}`).join('; '))}`]),
  ];
}

const ACTIONS = { call: 'call', send: 'message', spawn: 'spawn', answer: 'answer', output: 'output', emit: 'event' } as const;
const VERDICTS = { allow: 'allowed', deny: 'denied', ask: 'sent to people', inspect: 'waits for inspectors' } as const;
const VIA = { call: 'to', send: 'to', spawn: 'to', answer: 'of', output: 'of', emit: 'of' } as const;
const PEOPLE = { approve: 'approved', deny: 'denied', expired: 'let it expire' } as const;

/** The id of the token: its name may belong to another token later. */
const whoText = (who: Decisions[number]['people'][number]['who']): string =>
  who?.token === undefined
    ? ''
    : ` (${who.token}, made by ${who.made_by ?? 'nobody'}${who.person === who.made_by ? ', and counted as them' : ''})`;

/**
 * Decisions about the calls of a run: rules, unusual facts, origins of arguments, and what people said. Those that say the same of several
 * calls are shown once: a run that loops makes hundreds of them.
 */
export function decisionLines(decisions: Decisions): string[] {
  const groups = new Map<
    string,
    { readonly first: Decisions[number]; readonly said: readonly string[]; calls: number[]; cranks: number[] }
  >();
  for (const one of decisions) {
    const said = saidOf(one);
    const key = JSON.stringify([one.action, one.tool, one.verdict, one.code, said]);
    const group = groups.get(key) ?? { first: one, said, calls: [], cranks: [] };
    group.calls.push(one.call);
    if (group.cranks.at(-1) !== one.crank) group.cranks.push(one.crank);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ first, said, calls, cranks }) => {
    const { action, tool, verdict, code } = first;
    const what = `${ACTIONS[action]}${calls.length === 1 ? '' : 's'} ${ranges(calls)} ${VIA[action]} ${tool}`;
    return [
      `${what}, crank${cranks.length === 1 ? '' : 's'} ${ranges(cranks)}: ${VERDICTS[verdict]}${code === null ? '' : ` (${code})`}`,
      ...said,
    ];
  });
}

type Holds = Decisions[number]['people'][number]['holds'];
const holdsText = (holds: Holds): string =>
  holds === undefined
    ? ''
    : `, also for ${holds.uses} later calls of the same ${holds.for}${holds.amount === undefined ? '' : `, ${holds.amount} in all`}, until ${moment(holds.until)}`;

const saidOf = (one: Decisions[number]): string[] => [
  ...factLines(one),
  ...(one.under === undefined ? [] : [`  allowed     under the approval of call ${one.under.call}, which ${one.under.by} gave`]),
  ...(one.quotes ?? []).map((quote) => quoteLine(quote)),
  ...(one.inspected ?? []).map(({ inspector, said }) => `  inspected   by ${inspector}: ${printable(said)}`),
  ...one.people.map(
    ({ by, verdict, answered, reason, at, lowered, who, fresh, holds }) =>
      `  ${(answered === true ? 'answered' : PEOPLE[verdict]).padEnd(10)}  by ${by}, ${moment(at)}${whoText(who)}${fresh === true ? ', who showed their token once more' : ''}${holdsText(holds)}${reason === '' ? '' : `: ${printable(reason)}`}${printable(loweredText(lowered))}`,
  ),
];
