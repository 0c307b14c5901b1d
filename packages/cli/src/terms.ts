/** Budgets and narrowings on a command line: `money=12.50,calls=20` and `pay:uses=3,where.amount.max=100`, or JSON. */
import { budgetName, microsOf } from '@corral/protocol/model/cost';
import { CorralError } from '@corral/protocol/errors';
import type { Attenuation } from '@corral/protocol/model/grant';
import type { Json } from '@corral/protocol/json';
import { BUDGET_NAMES } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import { jsonArgument, parsedArgument } from './connect.ts';

/** Predicates whose argument is always text, also if it looks like a number. */
const TEXTS: ReadonlySet<string> = new Set(['under', 'prefix']);
const TERMS = 'uses, expires_in_ms, bytes, only_clean, rate.per_minute, rights, passes and where.ARGUMENT.PREDICATE';
const PREDICATES = ['equals', 'in', 'under', 'prefix', 'max', 'min', 'max_length'];

/** @throws CORRAL_USAGE */
export async function budgetArgument(text: string): Promise<Budget> {
  if (/^\s*[{@]/.test(text)) return (await jsonArgument('--budget', text)) as Budget;
  const budget: Record<string, number> = {};
  for (const [name, value] of pairs('--budget', text)) {
    const known = BUDGET_NAMES.find((one) => one === name || budgetName(one) === name);
    if (known === undefined)
      throw new CorralError(
        'CORRAL_USAGE',
        `--budget has no amount ${name}; its amounts are ${BUDGET_NAMES.map((one) => budgetName(one)).join(', ')}.`,
      );
    const amount = value === '' ? Number.NaN : Number(value);
    if (!(amount >= 0)) throw new CorralError('CORRAL_USAGE', `--budget ${name}=${value} is not an amount.`);
    // `money` is in whole units of the currency; the other names are in their own units.
    budget[known] = name === 'money' ? (microsOf(amount) ?? 0) : amount;
  }
  return budget;
}

/** @throws CORRAL_USAGE */
export function grantArguments(texts: readonly string[]): Record<string, Attenuation> {
  const grants: Record<string, Attenuation> = {};
  for (const text of texts) {
    const [, alias, rest] = /^([a-zA-Z]\w*):(.*)$/s.exec(text) ?? [];
    if (alias === undefined || rest === undefined)
      throw new CorralError('CORRAL_USAGE', `--grant takes ALIAS:TERMS, such as pay:uses=3,where.amount.max=100, not ${text}.`);
    if (Object.hasOwn(grants, alias)) throw new CorralError('CORRAL_USAGE', `--grant names ${alias} twice.`);
    grants[alias] = (/^\s*\{/.test(rest) ? parsedArgument(`--grant ${alias}`, rest) : termsIn(alias, rest)) as Attenuation;
  }
  return grants;
}

function termsIn(alias: string, text: string): Json {
  const terms: Record<string, Json> = {};
  const where: Record<string, Record<string, Json>> = {};
  for (const [name, value] of pairs(`--grant ${alias}`, text)) {
    const [first, ...path] = name.split('.');
    if (first === 'where') {
      const predicate = path.pop();
      if (predicate === undefined || path.length === 0 || !PREDICATES.includes(predicate))
        throw new CorralError(
          'CORRAL_USAGE',
          `--grant ${alias}: ${name} is not of the form where.ARGUMENT.PREDICATE; predicates are ${PREDICATES.join(', ')}.`,
        );
      (where[path.join('.')] ??= {})[predicate] = TEXTS.has(predicate) ? value : valueOf(value);
    } else if (name === 'rate.per_minute') terms['rate'] = { per_minute: valueOf(value) };
    else if (['uses', 'expires_in_ms', 'bytes', 'only_clean', 'rights', 'passes'].includes(name)) terms[name] = valueOf(value);
    else throw new CorralError('CORRAL_USAGE', `--grant ${alias} has no term ${name}; terms are ${TERMS}.`);
  }
  return Object.keys(where).length === 0 ? terms : { ...terms, where };
}

/** Splits `a=1,b=["x","y"]` at the commas outside of brackets and quotes. */
function pairs(flag: string, text: string): [string, string][] {
  const parts = text.match(/(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|[^,])+/g) ?? [];
  if (parts.length === 0) throw new CorralError('CORRAL_USAGE', `${flag} says nothing.`);
  return parts.map((part) => {
    const at = part.indexOf('=');
    if (at < 1) throw new CorralError('CORRAL_USAGE', `${flag}: ${part.trim()} is not of the form NAME=VALUE.`);
    return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  });
}

/** Parses JSON; text that is not JSON is taken as it is. */
function valueOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
