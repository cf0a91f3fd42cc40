/** Completions for zsh, by its own _arguments. */

import { commandsOf, type CommandWords, type OptionWords, type Values } from "./grammar.ts";

export function zshScript(grammar: CommandWords): string {
  const functions = [...commandsOf(grammar)].map(functionOf).join("\n");
  return `#compdef telebridge
# telebridge: completions for zsh. In ~/.zshrc, after compinit:  source <(telebridge completions zsh)

${functions}
_telebridge_run_names() {
  local -a names
  names=(\${(f)"$(telebridge run-names 2>/dev/null)"})
  compadd -a names
}

_telebridge_agent_names() {
  local -a names
  names=(\${(f)"$(telebridge agent-names 2>/dev/null)"})
  compadd -a names
}

compdef _telebridge telebridge
`;
}

function nameOf(path: string): string {
  return `_${path.replaceAll(/[^a-z]/g, "_")}`;
}

function functionOf(command: CommandWords): string {
  const { path, commands, options, arguments: values } = command;
  const last = values.length - 1;
  const words = [
    ...options.flatMap(optionSpecs),
    ...(commands.length > 0
      ? ["'1: :->command'", "'*:: :->rest'"]
      : values.map((value, at) => quoted(`${at === last ? "*" : at + 1}: :${action(value)}`))),
  ];
  const specs = words.map((word) => `    ${word}`).join(" \\\n");
  if (commands.length === 0) return `${nameOf(path)}() {\n  _arguments -s \\\n${specs}\n}\n`;
  const described = commands.map(({ name, description }) =>
    `        ${quoted(`${name}:${description}`)}`
  ).join("\n");
  const cases = commands.map((inner) => `        ${inner.name}) ${nameOf(inner.path)} ;;`);
  return `${nameOf(path)}() {
  local curcontext=$curcontext state line
  local -A opt_args
  _arguments -C -s \\
${specs}
  case $state in
    command)
      local -a commands=(
${described}
      )
      _describe command commands ;;
    rest)
      case $line[1] in
${cases.join("\n")}
      esac ;;
  esac
}
`;
}

/** May stand more than once: some options are lists, and zsh need not know which. */
function optionSpecs({ names, description, values }: OptionWords): string[] {
  const about = `[${description.replaceAll(/[[\]:\\]/g, (letter) => `\\${letter}`)}]`;
  return names.map((name) => {
    const sign = values !== null && name.startsWith("--") ? "=" : "";
    const value = values === null ? "" : `: :${action(values)}`;
    return quoted(`*${name}${sign}${about}${value}`);
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function action(values: Values): string {
  switch (values.kind) {
    case "words":
      return `(${values.words.join(" ")})`;
    case "runs":
      return "_telebridge_run_names";
    case "agents":
      return "_telebridge_agent_names";
    case "file":
      return "_files";
    case "folder":
      return "_files -/";
    case "command":
      return "_command_names -e";
    case "any":
      return " ";
  }
}
