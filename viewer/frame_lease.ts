/**
 * Who still needs a decoded picture. Video frames and bitmaps hold memory that no collector sees, and a decoder that
 * gets none back stops; raw pictures lie in buffers that are used again. So each picture has one lease, the stages it
 * passes take roles in it, and the one that lets go last closes it.
 */

const ROLES = {
  /** It has just been decoded, and nobody else has been asked. */
  decoder: 1,
  /** It waits to be drawn. */
  presenter: 2,
  /** It was handed to the graphics device, which may still be reading. */
  renderer: 4,
  /** It is the picture on the screen: kept to be drawn again and to be saved. */
  cache: 8,
} as const;
export type LeaseRole = keyof typeof ROLES;

/** Counts the leases of one viewer, so that one that leaks is seen. */
export interface LeaseRegistry {
  live: number;
  /** Leases ever opened. */
  opened: number;
}

export class FrameLease {
  readonly #registry: LeaseRegistry;
  readonly #close: () => void;
  #roles: number;

  /** A lease that `role` holds already; `close` frees the picture, once. */
  constructor(registry: LeaseRegistry, role: LeaseRole, close: () => void) {
    this.#registry = registry;
    this.#close = close;
    this.#roles = ROLES[role];
    registry.live++;
    registry.opened++;
  }

  holds(role: LeaseRole): boolean {
    return (this.#roles & ROLES[role]) !== 0;
  }

  /** Taking a role twice, or one of a picture that is gone, is a bug. */
  take(role: LeaseRole): void {
    if (this.#roles === 0) throw new Error(`the ${role} takes a picture that is closed`);
    if (this.holds(role)) throw new Error(`the ${role} takes a picture that it has`);
    this.#roles |= ROLES[role];
  }

  release(role: LeaseRole): void {
    if (!this.holds(role)) throw new Error(`the ${role} releases a picture that it does not have`);
    this.#roles &= ~ROLES[role];
    if (this.#roles !== 0) return;
    this.#registry.live--;
    this.#close();
  }
}
