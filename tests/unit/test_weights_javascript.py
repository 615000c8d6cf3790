import pytest

from greenlight.weights.javascript import exported_value

BUNDLE = "!function(e){module.exports=e()}(function(){return({1:[function(e,a,n){a.exports=%s},{}]},{},[1])(1)});"


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('"QUJD"', "QUJD"),
        ("{}", {}),
        ("[]", []),
        ("{a:1,b$:[!0,!1,null]}", {"a": 1, "b$": [True, False, None]}),
        ('{"quoted key":{deep:[[1],[2]]}}', {"quoted key": {"deep": [[1], [2]]}}),
        ("[.5,-.25,1e3,-5.0e-2,7]", [0.5, -0.25, 1000.0, -0.05, 7]),
        (r'["a\"b\\c\u00e9"]', ['a"b\\cé']),
        ('{ spaced : [ 1 , "x" ] }', {"spaced": [1, "x"]}),
    ],
)
def test_literals_are_read_as_javascript_would(literal: str, value: object) -> None:
    assert exported_value(BUNDLE % literal) == value


@pytest.mark.parametrize(
    "literal", ["{a:f()}", "[1 2]", "{a 1}", "[1", "{a:void 0}", '["open', "[1,", "[new Date]", "{a:1;b:2}"]
)
def test_what_is_no_literal_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match="literal|expected"):
        exported_value(BUNDLE % literal)


def test_a_module_that_exports_a_function_call_is_refused() -> None:
    with pytest.raises(ValueError, match="exports no literal"):
        exported_value("module.exports=build()")
