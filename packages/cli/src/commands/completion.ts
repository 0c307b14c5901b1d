/** `corral completion SHELL`: generated from the commands themselves, so that it is never out of date. */
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';

interface Word {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly string[];
  readonly words: readonly Word[];
}

function wordOf(command: Command): Word {
  return {
    name: command.name(),
    about: command.description(),
    flags: command.options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long])),
    words: command.commands.map((one) => wordOf(one)),
  };
}

export function completionCommand(program: Command): void {
  program
    .command('completion')
    .description('print completion for a shell')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', `\nExample:\n  corral completion bash > /etc/bash_completion.d/corral`)
    .action((shell: string) => {
      const write = { bash, zsh, fish }[shell];
      if (write === undefined) throw new CorralError('CORRAL_USAGE', `There is completion for bash, zsh and fish, not for ${shell}.`);
      process.stdout.write(write(wordOf(program)));
    });
}

function bash({ words }: Word): string {
  const cases = words.flatMap((word) => [
    `    ${word.name}) words="${[...word.words.map(({ name }) => name), ...word.flags, '--help'].join(' ')}" ;;`,
    ...word.words.map((sub) => `    "${word.name} ${sub.name}") words="${[...sub.flags, '--help'].join(' ')}" ;;`),
  ]);
  return `# corral completion for bash
_corral() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words.map(({ name }) => name).join(' ')}" -- "$current"))
    return
  fi
  case "$command" in ${words
    .filter((word) => word.words.length > 0)
    .map(({ name }) => name)
    .join('|')}) [ "$COMP_CWORD" -gt 2 ] && command="$command \${COMP_WORDS[2]}" ;; esac
  case "$command" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current"))
}
complete -F _corral corral
`;
}

const quoted = (text: string) => text.replaceAll("'", '’').replaceAll(':', ' ');

function zsh({ words }: Word): string {
  return `#compdef corral
# corral completion for zsh
_corral() {
  local -a commands
  commands=(
${words.map(({ name, about }) => `    '${name}:${quoted(about)}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2]" in
${words.map((word) => `    ${word.name}) compadd -- ${[...word.words.map(({ name }) => name), ...word.flags, '--help'].join(' ')} ;;`).join('\n')}
  esac
  _files
}
compdef _corral corral
`;
}

function fish({ words }: Word): string {
  const lines = words.flatMap((word) => [
    `complete -c corral -n __fish_use_subcommand -a ${word.name} -d '${quoted(word.about)}'`,
    ...word.words.map((sub) => `complete -c corral -n '__fish_seen_subcommand_from ${word.name}' -a ${sub.name} -d '${quoted(sub.about)}'`),
    ...word.flags.map((flag) => `complete -c corral -n '__fish_seen_subcommand_from ${word.name}' -l ${flag.slice(2)}`),
  ]);
  return `# corral completion for fish\n${lines.join('\n')}\n`;
}
