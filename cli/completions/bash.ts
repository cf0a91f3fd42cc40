/** Completions for bash: plain bash 4, without its completion package. */

import { commandsOf, type CommandWords, type OptionWords, type Values } from "./grammar.ts";

export function bashScript(grammar: CommandWords): string {
  const commands = [...commandsOf(grammar)];
  const inner = commands.filter(({ path }) => path !== grammar.path);
  const taking = commands.flatMap(({ path, options }) =>
    options.filter(({ values }) => values !== null).flatMap(({ names }) =>
      names.map((name) => `${path} ${name}`)
    )
  );
  return `# telebridge: completions for bash. In ~/.bashrc:  source <(telebridge completions bash)
_telebridge() {
  local current=\${COMP_WORDS[COMP_CWORD]} path=${grammar.path} given=0 option='' after='' word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    # --option=value comes as three words.
    [[ $word == = ]] && continue
    if [[ -n $option ]]; then option=''; continue; fi
    if [[ -n $after ]]; then given=$((given + 1)); continue; fi
    if [[ $word == -- ]]; then after=yes; continue; fi
    case "$path $word" in
${alternatives(taking)}) option=$word ;;
${alternatives(inner.map(({ path }) => path))}) path="$path $word" ;;
      *' '-*) ;;
      *) given=$((given + 1)) ;;
    esac
  done
  [[ $current == = ]] && current=''
  if [[ -n $option ]]; then
    case "$path $option" in
${
    commands.flatMap(({ path, options }) => options.flatMap((one) => optionCase(path, one))).join(
      "\n",
    )
  }
    esac
    return
  fi
  case $path in
${commands.map(commandCase).join("\n")}
  esac
}

_telebridge_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_telebridge_runs() { _telebridge_words "$(telebridge run-names 2>/dev/null)"; }
_telebridge_agents() { _telebridge_words "$(telebridge agent-names 2>/dev/null)"; }
_telebridge_files() { compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); }
_telebridge_folders() { compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")); }
_telebridge_commands() { COMPREPLY=($(compgen -c -- "$current")); }

complete -F _telebridge telebridge
`;
}

function alternatives(patterns: readonly string[]): string {
  return patterns.map((pattern) => `      '${pattern}'`).join(" | \\\n");
}

function optionCase(path: string, { names, values }: OptionWords): string[] {
  if (values === null || values.kind === "any") return [];
  const patterns = names.map((name) => `'${path} ${name}'`).join(" | ");
  return [`      ${patterns}) ${action(values)} ;;`];
}

function commandCase({ path, commands, options, arguments: values }: CommandWords): string {
  const flags = options.flatMap(({ names }) => names).join(" ");
  const last = values.length - 1;
  const cases = values.map((value, at) => `        ${at === last ? "*" : at}) ${action(value)} ;;`);
  const words = commands.map(({ name }) => name).join(" ");
  return `    '${path}')
      [[ $current == -* && -z $after ]] && { _telebridge_words '${flags}'; return; }
${
    commands.length > 0
      ? `      _telebridge_words '${words}'`
      : values.length > 0
      ? `      case $given in\n${cases.join("\n")}\n      esac`
      : "      :"
  } ;;`;
}

function action(values: Values): string {
  switch (values.kind) {
    case "words":
      return `_telebridge_words '${values.words.join(" ")}'`;
    case "runs":
      return "_telebridge_runs";
    case "agents":
      return "_telebridge_agents";
    case "file":
      return "_telebridge_files";
    case "folder":
      return "_telebridge_folders";
    case "command":
      return "_telebridge_commands";
    case "any":
      return ":";
  }
}
