/** `corral completion SHELL`: generated from the commands themselves, so that it is never out of date. */
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import { FILES } from '../complete.ts';

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
    words: command.commands.filter((one) => one.name() !== 'complete').map((one) => wordOf(one)),
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

/** Asks for the names of runs, agents and aliases. Bash breaks words at an @, so what stands before the last one is cut off. */
function bash({ words }: Word): string {
  const cases = words.flatMap((word) => [
    `    ${word.name}) flags="${[...word.flags, '--help'].join(' ')}" ;;`,
    ...word.words.map((sub) => `    "${word.name} ${sub.name}") flags="${[...sub.flags, '--help'].join(' ')}" ;;`),
  ]);
  const nested = words.filter((word) => word.words.length > 0).map(({ name }) => name);
  return `# corral completion for bash
_corral() {
  local line="\${COMP_LINE:0:COMP_POINT}" current command flags= candidate files= cut
  local -a typed
  read -ra typed <<< "$line"
  case "$line" in *[[:space:]]) typed+=('') ;; esac
  current="\${typed[\${#typed[@]}-1]}"
  command="\${typed[1]}"
  COMPREPLY=()
  if [ "\${#typed[@]}" -le 2 ]; then
    COMPREPLY=($(compgen -W "${words.map(({ name }) => name).join(' ')}" -- "$current"))
    return
  fi
  if [ "\${current:0:1}" = "-" ]; then
    case "$command" in ${nested.join('|')}) [ "\${#typed[@]}" -gt 3 ] && command="$command \${typed[2]}" ;; esac
    case "$command" in
${cases.join('\n')}
    esac
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
    return
  fi
  cut="\${current%"\${current##*[@:=]}"}"
  while IFS=$'\t' read -r candidate _; do
    case "$candidate" in
      ${FILES}) files=1 ;;
      *) COMPREPLY+=("\${candidate#"$cut"}") ;;
    esac
  done < <("\${typed[0]}" complete -- "\${typed[@]:1}" 2>/dev/null)
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -F _corral corral
`;
}

const quoted = (text: string) => text.replaceAll("'", '’').replaceAll(':', ' ');

function zsh({ words }: Word): string {
  return `#compdef corral
# corral completion for zsh
_corral() {
  local -a commands found
  local line
  commands=(
${words.map(({ name, about }) => `    '${name}:${quoted(about)}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  found=("\${(@f)$("$words[1]" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $found; do
    if [[ $line == ${FILES} ]]; then _files; else compadd -- "\${line%%$'\t'*}"; fi
  done
}
compdef _corral corral
`;
}

function fish({ words }: Word): string {
  const lines = words.flatMap((word) => [
    `complete -c corral -n __fish_use_subcommand -f -a ${word.name} -d '${quoted(word.about)}'`,
    ...word.flags.map((flag) => `complete -c corral -n '__fish_seen_subcommand_from ${word.name}' -l ${flag.slice(2)}`),
  ]);
  return `# corral completion for fish
function __corral_complete
    set -l typed (commandline -opc) (commandline -ct)
    for line in ($typed[1] complete -- $typed[2..] 2>/dev/null)
        if test "$line" = ${FILES}
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
${lines.join('\n')}
complete -c corral -n 'not __fish_use_subcommand' -f -a '(__corral_complete)'
`;
}
