/** The report, as data and as a page. */
import * as z from 'zod/mini';

const VERDICTS = {
  agrees: 'declared and actual licence agree',
  conflict: 'the licence text is another licence than the one declared',
  'no-text': 'a licence is declared, but no text comes with the package',
  unrecognised: 'the licence text is none that this audit knows',
  'not-spdx': 'the declaration is not an SPDX expression',
  undeclared: 'there is a licence text, but nothing is declared',
  none: 'neither declared nor present',
} as const;
type Verdict = keyof typeof VERDICTS;

export const Finding = z.object({
  path: z.string(),
  name: z.string(),
  version: z.string(),
  declared: z.nullable(z.string()),
  actual: z.array(z.string()),
  files: z.array(z.string()),
  verdict: z.enum(Object.keys(VERDICTS) as [Verdict, ...Verdict[]]),
});
export type Finding = z.infer<typeof Finding>;

export const Report = z.object({
  title: z.string(),
  packages: z.array(Finding),
  /** Packages whose reader did not complete. */
  unread: z.array(z.object({ path: z.string(), outcome: z.string() })),
});
export type Report = z.infer<typeof Report>;
export type Verdicts = Omit<Report, 'title'>;

export function asMarkdown(report: Report): string {
  const count = <T extends string>(of: (finding: Finding) => T) => {
    const counts = new Map<T, number>();
    for (const finding of report.packages) counts.set(of(finding), (counts.get(of(finding)) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  };
  const lines = [`# ${report.title}`, '', `${report.packages.length} packages.`, '', '| verdict | packages | meaning |', '|---|---:|---|'];
  for (const [verdict, n] of count((finding) => finding.verdict)) lines.push(`| ${verdict} | ${n} | ${VERDICTS[verdict]} |`);
  lines.push('', '| licence | packages |', '|---|---:|');
  for (const [license, n] of count((finding) => finding.declared ?? 'none declared')) lines.push(`| ${license} | ${n} |`);
  const open = report.packages.filter((finding) => finding.verdict !== 'agrees');
  if (open.length > 0) {
    lines.push('', '## To look at', '', '| package | declared | actual | verdict |', '|---|---|---|---|');
    for (const { name, version, declared, actual, verdict } of open)
      lines.push(`| ${name}@${version} | ${declared ?? ''} | ${actual.join(', ')} | ${verdict} |`);
  }
  if (report.unread.length > 0) {
    lines.push('', '## Not read', '', ...report.unread.map(({ path, outcome }) => `- ${path}: its reader ${outcome}`));
  }
  return `${lines.join('\n')}\n`;
}
