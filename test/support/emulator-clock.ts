import { ControlClient } from "../../emulator/testing/control.ts";

/** Moves an emulator's clock to a few seconds after the next whole minute, when the one before it has been judged. */
export const nextMinute = async (url: string): Promise<Date> => {
  const emulator = new ControlClient(url);
  const now = await emulator.advance("0s");
  return emulator.advance(`${65_000 - (now.getTime() % 60_000)}ms`);
};
