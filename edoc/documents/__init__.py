"""Documents as the agencies that have a part in them, and auditors, may see them: facts, files, evidence, states."""
