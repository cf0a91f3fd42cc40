/** How much a client keeps, sends and waits; each limit with what happens at it. */

/** Rows of one message: what is given within a tick is packed together, up to this. */
export const MESSAGE_ROWS_MAX = 2048;
/** Bytes of one message's rows; the server takes 4 MiB. A single row may be larger, up to {@link TEXT_BYTES_MAX}. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** A text is cut there, with a mark. */
export const TEXT_BYTES_MAX = 1024 * 1024 - 4096;
/** A series' or a param's name, in UTF-8; longer ones are an error of the caller's. */
export const NAME_BYTES_MAX = 200;
/** Different series of one run; values of further ones are dropped and counted. */
export const SERIES_MAX = 65_536;

/** Rows that are neither acked nor in the spool; beyond it new rows are dropped and counted. */
export const QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** From there on rows go to the spool, also while the server is there: it is slower than the run. */
export const QUEUE_BYTES_SPOOLED = QUEUE_BYTES_MAX / 4;
/** A spool's size; beyond it rows stay in the queue until that is full too. */
export const SPOOL_BYTES_MAX = 1024 * 1024 * 1024;
/** Checkpoints that wait to be sent; further ones are refused. */
export const CHECKPOINTS_WAITING_MAX = 16;
/** Bytes of one call that are on their way and not acked. */
export const CALL_BYTES_IN_FLIGHT_MAX = 8 * 1024 * 1024;
/** Rows on their way until the server has said how many it takes. */
export const CREDITS_AT_START = 4096;
/** Input events that nobody has taken; the oldest gives way. */
export const INPUTS_MAX = 256;
/** The server's own limits: so many named commands, and UTF-16 units in the name of one. */
export const COMMANDS_MAX = 64;
export const COMMAND_NAME_CHARS_MAX = 128;

/** How often rows are packed and sent. */
export const TICK_MS = 25;
/** How long the server may be away before rows go to the spool. */
export const AWAY_MS_BEFORE_SPOOL = 300;
/** The first wait before another attempt to connect; each further one is twice as long. */
export const RECONNECT_MS_MIN = 100;
export const RECONNECT_MS_MAX = 5_000;
/** A call that is answered once (RegisterRun, FinishRun, a request for the endpoints). */
export const ANSWER_MS_MAX = 10_000;
/** Without a pong for so long the connection is given up. */
export const SILENCE_MS_MAX = 15_000;
export const PING_MS = 1_000;
