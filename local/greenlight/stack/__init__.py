"""The local stack: an AWS on this machine with the shipped template deployed on it."""
