/** go2rtc's configuration, and a compose file with it. */

import type { LeftOut, Stream } from "./streams.ts";

/** The version that the tests run. */
const IMAGE = "alexxit/go2rtc:1.9.13-hardware";
/** What the agent finds at run time and the image, which is Debian with FFmpeg, lacks. */
const PACKAGES = ["libegl1", "libgl1", "libgles2", "libgl1-mesa-dri"];
const TELEBRIDGE_INSIDE = "/usr/local/bin/telebridge";

export interface Streams {
  streams: readonly Stream[];
  leftOut: readonly LeftOut[];
}

/** YAML. */
export function go2rtcConfig({ streams, leftOut }: Streams): string {
  const writers = streams.flatMap(({ writer }) => writer === null ? [] : [shellLine(writer)]);
  const lines = [
    "# By telebridge go2rtc-config; docs/go2rtc.md tells more.",
    ...writers.length === 0
      ? ["# go2rtc starts an agent when somebody watches it, and ends it when nobody does."]
      : ["# To be run by you; they encode while somebody watches:", ...writers.map(commented)],
    "streams:",
    ...streams.map(({ name, source }) => `  ${quoted(name)}: ${quoted(source)}`),
    ...leftOut.map(({ name, why }) => commented(`left out: ${name}: ${why}`)),
  ];
  return lines.join("\n") + "\n";
}

export interface ComposeOptions {
  /** The one file that is telebridge, on this machine. */
  executable: string;
  nvidia: boolean;
}

/** A compose file with go2rtc and, inside, `config`. Compose 2.23.1 or newer takes it. */
export function composeFile(config: string, { executable, nvidia }: ComposeOptions): string {
  return `# By telebridge go2rtc-config --compose: docker compose up
services:
  go2rtc:
    build:
      dockerfile_inline: |
        FROM ${IMAGE}
        RUN apt-get update && apt-get install -y --no-install-recommends ${PACKAGES.join(" ")} \\
          && rm -rf /var/lib/apt/lists/*
    network_mode: host # WebRTC takes UDP from everywhere
    restart: unless-stopped
    configs:
      - source: go2rtc
        target: /config/go2rtc.yaml
    volumes:
      - type: bind
        source: ${quoted(executable)}
        target: ${TELEBRIDGE_INSIDE}
        read_only: true
${nvidia ? NVIDIA : ""}configs:
  go2rtc:
    content: |
${config.replaceAll(/^(?=.)/gm, "      ")}`;
}

const NVIDIA = `    environment:
      NVIDIA_DRIVER_CAPABILITIES: all # EGL is "graphics"
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: all
              capabilities: [gpu]
`;

/**
 * As YAML reads it: JSON's strings are YAML's in double quotes. Whatever is not plain ASCII is escaped, and so is what
 * go2rtc and compose would put variables in for.
 */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[^\x20-\x7e]|\$/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const commented = (line: string) => `# ${line}`;

/** To be pasted into a shell; go2rtc would put variables in for ${ in comments too. */
function shellLine(words: readonly string[]): string {
  const inQuotes = (word: string) => word.replaceAll("'", "'\\''").replaceAll("${", "$''{");
  return words.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${inQuotes(word)}'`).join(
    " ",
  );
}
