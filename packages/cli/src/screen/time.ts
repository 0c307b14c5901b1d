/**
 * Times as the commands print them: UTC, and they say so by a Z. The texts of a host, its logs and `--json` are UTC too, so that a time of
 * one output can be found in the other, and people in two places read the same.
 */

/** `2026-11-29T07:54:25Z`; nothing for a time that is not there. */
export const moment = (at: number | null): string => (at === null ? '' : `${exact(at).slice(0, 19)}Z`);

/** `07:54:25.123Z`, for lines that follow each other. */
export const clock = (at: number): string => exact(at).slice(11);

/** `2026-11-29T07:54:25.123Z`, where the milliseconds are evidence. */
export const exact = (at: number): string => new Date(at).toISOString();
