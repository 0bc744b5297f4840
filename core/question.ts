/** What `sluice doctor --app` and the app that it asks have agreed on. */

/** The header that names a question; node:http gives names as they were written, and the doctor writes it so. */
export const questionHeader = "sluice-doctor";

/** In a folder that read-only roots and private folders of systemd leave alone. */
export const questionFolder = "/dev/shm";

export const questionName = (token: string): string => `sluice-doctor-${token}`;

/** A random token: nobody guesses one, and none leads to another folder. */
export const isToken = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);
