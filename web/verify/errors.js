/** A proof does not hold, or bytes do not follow their format: `check` names which check of the verification said no. */
export class VerifyFailed extends Error {
  constructor(check, message) {
    super(`${check}: ${message}`);
    this.name = "VerifyFailed";
    this.check = check;
  }
}

export function expect(condition, check, message) {
  if (!condition) throw new VerifyFailed(check, message);
}

/** What `step` gives; what it refuses counts as a failure of `check`. */
export function checking(check, step) {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof VerifyFailed)) throw error;
    throw new VerifyFailed(check, error.message);
  }
}
