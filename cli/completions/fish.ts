/** Completions for fish. */

import { commandsOf, type CommandWords, type OptionWords, type Values } from "./grammar.ts";

export function fishScript(grammar: CommandWords): string {
  const lines = [...commandsOf(grammar)].flatMap(linesOf);
  const taking = new Set(
    [...commandsOf(grammar)].flatMap(({ options }) =>
      options.filter(({ values }) => values !== null).flatMap(({ names }) => names)
    ),
  );
  return `# telebridge: completions for fish. In ~/.config/fish/config.fish:
#   telebridge completions fish | source

# Whether the words so far, without options and their values, begin with these and have \`count\` more behind
# them ("any": however many).
function __telebridge_at --argument-names count
    set -l path
    set -l skip no
    for word in (commandline -opc)[2..]
        if test $skip = yes
            set skip no
        else if contains -- $word ${[...taking].join(" ")}
            set skip yes
        else if not string match -q -- '-*' $word
            set -a path $word
        end
    end
    set -l wanted $argv[2..]
    set -l length (count $wanted)
    test $length -gt (count $path); and return 1
    if test $length -gt 0
        test "$path[1..$length]" = "$wanted"; or return 1
    end
    test $count = any; or test (math (count $path) - $length) -eq $count
end

complete -c telebridge -f
${lines.join("\n")}
`;
}

function linesOf(command: CommandWords): string[] {
  const { path, commands, options, arguments: values } = command;
  const words = path.split(" ").slice(1);
  const last = values.length - 1;
  const at = (count: string) => quoted(["__telebridge_at", count, ...words].join(" "));
  return [
    ...commands.map(({ name, description }) =>
      `complete -c telebridge -n ${at("0")} -a ${name} -d ${quoted(description)}`
    ),
    ...options.map((option) => optionLine(at(words.length === 0 ? "0" : "any"), option)),
    ...values.flatMap((value, index) => {
      const words = action(value);
      const place = at(index === last ? "any" : String(index));
      return words === "" ? [] : [`complete -c telebridge -n ${place} ${words}`];
    }),
  ];
}

function optionLine(condition: string, { names, description, values }: OptionWords): string {
  const flags = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  );
  const value = values === null
    ? []
    : [values.kind === "file" ? "-r" : "-x", action(values)].filter((word) => word !== "");
  return ["complete -c telebridge -n", condition, ...flags, ...value, "-d", quoted(description)]
    .join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, (letter) => `\\${letter}`)}'`;
}

function action(values: Values): string {
  switch (values.kind) {
    case "words":
      return `-a ${quoted(values.words.join(" "))}`;
    case "runs":
      return "-a '(telebridge run-names 2>/dev/null)'";
    case "agents":
      return "-a '(telebridge agent-names 2>/dev/null)'";
    case "file":
      return "-F";
    case "folder":
      return "-a '(__fish_complete_directories)'";
    case "command":
      return "-a '(__fish_complete_command)'";
    case "any":
      return "";
  }
}
