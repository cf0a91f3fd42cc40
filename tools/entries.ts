/** What is bundled, each with the modules and packages that it imports. Paths in the project. */

/** The server: the program itself and what it starts as workers. */
export const SERVER_ENTRIES = [
  "main.ts",
  "ingest/store_worker.ts",
  "core/durable/history_worker.ts",
] as const;

/** What a browser loads. */
export const PAGE_ENTRIES = { main: "islands/main.tsx", worker: "viewer/worker.ts" } as const;
