/** For agents of tests that return how others ended. */

/** The output of a child that completed. */
export const outputOf = (end: object): unknown => ('output' in end ? end.output : undefined);
/** The code with which a child ended, if it has one. */
export const endCodeOf = (end: object): unknown => ('code' in end ? end.code : undefined);
/** The code of an error of the SDK. */
export const codeOf = (error: unknown): string => (error as { readonly code: string }).code;
