/** The shape of a call: the same for calls of one agent to one tool whose arguments have the same names and types. Lists group by it. */
import { shapeName, shapeText } from '@corral/protocol/model/standing';
import { digestOf } from '../admission/admission.ts';

export const shapeOf = (call: Parameters<typeof shapeText>[0]): string => shapeName(digestOf(shapeText(call)));
