/** A part of a name that is looked for: it goes into the address once somebody pauses in writing it, or leaves the field. */
import { useRef } from 'preact/hooks';
import { ask as alter } from './address.ts';

const PAUSE_MS = 250;

/** @param name of the condition in the address @param others conditions that it takes the place of */
export function usePart(name: string, others: readonly string[] = []) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const look = (text: string) => {
    clearTimeout(timer.current);
    alter({ ...Object.fromEntries(others.map((one): [string, undefined] => [one, undefined])), [name]: text.trim() });
  };
  return {
    /** At once. */
    look,
    soon: (text: string) => {
      clearTimeout(timer.current);
      timer.current = setTimeout(() => look(text), PAUSE_MS);
    },
  };
}
