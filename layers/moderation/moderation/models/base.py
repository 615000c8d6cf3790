"""What every document has in common: immutable, closed, snake_case JSON."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A document that is never changed in place and never carries fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", hide_input_in_errors=True)
