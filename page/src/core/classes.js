// The classes of the global pass: p3m/model/channels.py.

export const [BACKGROUND, UNKNOWN, FOREGROUND] = [0, 1, 2];
