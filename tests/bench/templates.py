"""Templates that are measured with: what is seen, without what is read or heard, as peers and floors have it."""

from greenlight.paths import CHECKOUT
from moderation.models.template import Form
from moderation.services.templates import load_template

_SEEN = frozenset({Form.IMAGE, Form.CODE, Form.COVER})


def seen(name: str) -> str:
    """The path of a template that asks for all that a preset looks for in pictures, and for nothing else."""
    preset = load_template(name)
    rules = tuple(
        rule.model_copy(update={"forms": rule.forms & _SEEN})
        for rule in preset.rules
        if rule.forms & _SEEN - {Form.COVER}
    )
    path = CHECKOUT / "build" / f"seen-{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(preset.model_copy(update={"name": f"seen_{name}", "rules": rules}).model_dump_json())
    return str(path)
