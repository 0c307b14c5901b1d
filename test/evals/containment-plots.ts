import type { Score } from './containment.ts';
export function plot(_folder: string, _settings: Readonly<Record<string, Score>>): void {}
