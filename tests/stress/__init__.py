"""Many uploads at once against the local stack: `make stress`."""
