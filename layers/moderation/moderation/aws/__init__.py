"""The ports on AWS. Clients are passed in; nothing here knows a use case."""
