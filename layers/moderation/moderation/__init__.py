"""Video moderation: models, detectors, policy and use cases shared by every function."""

__version__ = "0.1.0"
