/** The environment variables that a command is given; nothing else reads them. */
export type Environment = Readonly<Record<string, string | undefined>>;
