/** Answers to approvals that are given with the command, for scripts and CI. */
import { Option, type Command } from 'commander';

export interface AnswerFlags {
  readonly approve?: boolean;
  readonly deny?: boolean;
}

export const answerFlags = (command: Command): Command =>
  command
    .addOption(new Option('--approve', 'approve every call that waits for a person, without a question').conflicts('deny'))
    .addOption(new Option('--deny', 'deny every call that waits for a person, without a question'));
