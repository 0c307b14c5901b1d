import { describe, expect, test } from 'vitest';
import { ADVISORIES, flawsOf, soundness, type Advisory } from './advisories.ts';

const ids = (component: Advisory['component'], version: string) => flawsOf(component, version)?.map(({ ids: [first] }) => first);

describe('flaws of a version', () => {
  test('are those whose fix came later in its own line', () => {
    expect(ids('Node', 'v26.13.0')).toEqual(['CVE-2026-123866']);
    expect(ids('Node', 'v26.13.1')).toEqual([]);
    expect(ids('Node', 'v26.10.0')).toEqual(['CVE-2026-123866', 'CVE-2026-111497']);
    expect(ids('Node', '24.22.1')).toEqual(['CVE-2026-123866']);
    expect(ids('Node', '24.12.0')).toHaveLength(6);
  });

  test('of a line that an advisory does not name are none', () => {
    expect(ids('Node', '28.0.0')).toEqual([]);
    expect(ids('isolated-vm', '8.0.0')).toEqual([]);
  });

  test('of old lines are found too, where all below some version is affected', () => {
    expect(ids('isolated-vm', '7.0.0')).toEqual(['GHSA-864f-rcv7-6rh4']);
    expect(ids('isolated-vm', '7.0.1')).toEqual([]);
    expect(ids('isolated-vm', '6.2.0')).toEqual([]);
    expect(ids('isolated-vm', '5.0.4')).toEqual(['GHSA-864f-rcv7-6rh4']);
    expect(ids('isolated-vm', '3.3.10')).toEqual(['GHSA-864f-rcv7-6rh4', 'CVE-2022-39266', 'CVE-2021-21413']);
  });

  test('of a nightly are unknown, and that is not taken for sound', () => {
    expect(flawsOf('Node', 'v27.0.0-nightly20261101')).toBeUndefined();
    expect(soundness('Node', 'v27.0.0-nightly20261101').ok).toBe(false);
  });
});

test('what is said names the advisory, its source, and the version of the same line to move to', () => {
  const { ok, says } = soundness('Node', 'v24.20.0');
  expect(ok).toBe(false);
  for (const part of ['CVE-2026-123866', 'https://', '24.22.3']) expect(says).toContain(part);
  expect(soundness('isolated-vm', '5.0.4').says).toContain('7.0.1');
});

test('the advice can be followed: it says where the version is, and what to do where npm has none', () => {
  expect(soundness('Node', 'v26.12.1').says).toContain('move to 26.13.1 or later, from https://nodejs.org/en/download');
  const brought = soundness('Node', 'v26.12.1', true).says;
  expect(brought).toContain('this release of @corral/node has no newer Node');
  expect(brought).toContain('install 26.13.1 or later from https://nodejs.org/en/download, run `npm uninstall @corral/node`');
  expect(soundness('isolated-vm', '7.0.0').says).toContain('move to 7.0.1 or later, which a newer release of corral brings');
});

test('each advisory has ids of the usual form, and a source over https', () => {
  for (const { ids: all, source, fixed } of ADVISORIES) {
    for (const id of all) expect(id).toMatch(/^(?:CVE-\d{4}-\d{4,}|GHSA(?:-[23456789cfghjmpqrvwx]{4}){3})$/);
    expect(source).toMatch(/^https:\/\//);
    for (const [major, version] of Object.entries(fixed)) expect(version.split('.')[0]).toBe(major);
  }
});
