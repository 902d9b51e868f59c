/**
 * Scripts that complete commands and options in a shell.
 *
 * @module
 */
import { UsageError, commands, options } from './usage.ts';

const names = Object.keys(commands);
const flags = Object.keys(options).map((name) => `--${name}`);
/** Commands whose first argument is a file. */
const fileCommands = ['import', 'verify', 'redact'];

/** @throws UsageError where the shell is another one */
export function completionScript(shell: string): string {
  switch (shell) {
    case 'bash':
      return `_lead_activation() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "${flags.join(' ')}" -- "$word"))
  elif ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W "${names.join(' ')}" -- "$word"))
  else case "\${COMP_WORDS[1]}" in ${fileCommands.join('|')}) COMPREPLY=($(compgen -f -- "$word")) ;; esac
  fi
}
complete -o filenames -F _lead_activation lead-activation
`;
    case 'zsh':
      return `#compdef lead-activation
_lead_activation() {
  if [[ $words[CURRENT] == -* ]]; then compadd -- ${flags.join(' ')}
  elif ((CURRENT == 2)); then compadd -- ${names.join(' ')}
  else case $words[2] in ${fileCommands.join('|')}) _files ;; esac
  fi
}
compdef _lead_activation lead-activation
`;
    case 'fish':
      return [
        'complete -c lead-activation -f',
        ...Object.entries(commands).map(
          ([name, [, what]]) =>
            `complete -c lead-activation -n __fish_use_subcommand -a ${name} -d '${what.replaceAll("'", "\\'")}'`,
        ),
        ...Object.keys(options).map((name) => `complete -c lead-activation -l ${name}`),
        ...fileCommands.map(
          (name) => `complete -c lead-activation -n '__fish_seen_subcommand_from ${name}' -F`,
        ),
        '',
      ].join('\n');
    default:
      throw new UsageError('There are completions for bash, zsh and fish.');
  }
}
