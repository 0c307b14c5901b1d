/** Declared licences, and licences in texts, as SPDX identifiers. */
import parse from 'spdx-expression-parse';

/** Sentences that stand in one licence and in no other, most specific first. White space is folded before they are sought. */
const MARKS: readonly (readonly [id: string, marks: readonly string[]])[] = [
  ['Apache-2.0', ['apache license', 'version 2.0']],
  ['MPL-2.0', ['mozilla public license', 'version 2.0']],
  ['BlueOak-1.0.0', ['blue oak model license']],
  ['CC0-1.0', ['cc0 1.0 universal']],
  ['CC-BY-4.0', ['attribution 4.0 international']],
  ['CC-BY-3.0', ['attribution 3.0']],
  ['Unlicense', ['free and unencumbered software released into the public domain']],
  ['Python-2.0', ['python software foundation license version 2']],
  ['LGPL-3.0', ['gnu lesser general public license', 'version 3']],
  ['AGPL-3.0', ['gnu affero general public license']],
  ['GPL-3.0', ['gnu general public license', 'version 3']],
  ['GPL-2.0', ['gnu general public license', 'version 2']],
  ['BSD-3-Clause', ['redistribution and use in source and binary forms', 'neither the name of']],
  ['BSD-2-Clause', ['redistribution and use in source and binary forms']],
  [
    '0BSD',
    [
      'permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted.',
      'the author disclaims all warranties',
    ],
  ],
  [
    'ISC',
    [
      'permission to use, copy, modify, and',
      'distribute this software for any purpose with or without fee is hereby granted, provided that',
    ],
  ],
  ['MIT', ['permission is hereby granted, free of charge, to any person obtaining a copy']],
];

/** The licence a text is, or undefined when it is none that we know. */
export function recognise(text: string): string | null {
  const folded = text.toLowerCase().replace(/[\s*/#]+/g, ' ');
  return MARKS.find(([, marks]) => marks.every((mark) => folded.includes(mark)))?.[0] ?? null;
}

/** The declaration of a package.json: the field of today, or the older forms that still lie around. */
export function declaredLicense(declaration: Record<string, unknown>): string | null {
  const { license, licenses } = declaration;
  if (typeof license === 'string') return license;
  if (typeof license === 'object' && license !== null && 'type' in license) return String(license.type);
  if (Array.isArray(licenses))
    return licenses
      .map((one: unknown) => (typeof one === 'object' && one !== null && 'type' in one ? String(one.type) : String(one)))
      .join(' OR ');
  return null;
}

/** Every licence an SPDX expression names; null if it is not an SPDX expression. */
export function named(expression: string): string[] | null {
  type Node = { license: string; plus?: true } | { left: Node; right: Node };
  const collect = (node: Node): string[] => ('license' in node ? [node.license] : [...collect(node.left), ...collect(node.right)]);
  try {
    return collect(parse(expression) as Node);
  } catch {
    return null;
  }
}
