"""What all handlers share: composition, HTTP, and the errors of workflow steps."""
