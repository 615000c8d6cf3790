"""What a text says: normalisation against evasion, lists, patterns, rules, classifiers and their judge."""
