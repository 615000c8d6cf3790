"""The words of the product as typed, immutable documents."""
