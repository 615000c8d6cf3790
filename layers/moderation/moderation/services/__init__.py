"""Use cases, one file each. They know ports and pure rules, and nothing of AWS."""
