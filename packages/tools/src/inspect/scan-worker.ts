/** Looks through a large value on a worker thread. */
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Finding } from '@corral/protocol/model/inspection';
import { scan, type Search } from './scan.ts';

export default function run({ value, search }: { readonly value: Json; readonly search: Search }): Finding | undefined {
  return scan(value, search, MACHINE.inspected_chars.default);
}
