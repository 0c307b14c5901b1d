import { describe, expect, test } from 'vitest';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { Places, RunTable } from './places.ts';
import type { Run } from './run.ts';

const [crew, shop, lab] = ['crew', 'shop', 'lab'] as TenantId[] as [TenantId, TenantId, TenantId];
const put = (runs: RunTable, tenant: TenantId, many: number) => {
  for (let i = 0; i < many; i++) runs.set(`${tenant}-${runs.size}` as RunId, { id: '', tenant } as unknown as Run);
};

describe('places in memory', () => {
  test('are a tenant’s own: one that has taken all of its own takes none of another’s', () => {
    const runs = new RunTable();
    const places = new Places({ runs, runs_in_memory: 100, tenants: () => [], residents: (tenant) => (tenant === crew ? 30 : 20) });
    put(runs, crew, 30);
    expect([places.free(crew), places.free(shop), places.full()]).toEqual([0, 20, [crew]]);
    expect([places.isOver(crew), places.isOver(shop)]).toEqual([true, false]);
  });

  test('beyond what the host has, go to who has less than an even share', () => {
    const runs = new RunTable();
    const places = new Places({ runs, runs_in_memory: 10, tenants: () => [], residents: () => 100 });
    put(runs, crew, 10);
    expect([places.free(crew), places.free(shop)]).toEqual([0, 5]);
    put(runs, shop, 5);
    expect([places.free(crew), places.free(shop), places.free(lab)]).toEqual([0, 0, 3]);
    expect([places.isOver(crew), places.isOver(lab), places.surplus]).toEqual([true, false, 5]);
  });

  test('that somebody is on the way to are taken', () => {
    const runs = new RunTable();
    const places = new Places({ runs, runs_in_memory: 2, tenants: () => [], residents: () => 2 });
    const [first, second] = [places.come(crew), places.come(crew)];
    expect(places.free(crew)).toBe(0);
    first();
    second();
    expect(places.free(crew)).toBe(2);
  });

  test('are counted as runs come and leave, each once', () => {
    const runs = new RunTable();
    const left: TenantId[] = [];
    runs.left.listen((tenant) => void left.push(tenant));
    put(runs, crew, 2);
    const [id] = runs.keys() as unknown as [RunId];
    const [first] = [...runs.entries()];
    runs.set(first?.[0] ?? id, first?.[1] as Run);
    expect([runs.of(crew), runs.tenantCount]).toEqual([2, 1]);
    for (const one of runs.keys()) runs.delete(one);
    expect([runs.delete('none' as RunId), runs.of(crew), runs.tenantCount, left]).toEqual([false, 0, 0, [crew, crew]]);
  });
});
