import config from "../deno.json" with { type: "json" };

/** Version of the program, "major.minor.patch". */
export const VERSION: string = config.version;
