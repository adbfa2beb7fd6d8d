"""Checks a JSON value against results.schema.json. Knows the part of JSON Schema (draft 2020-12) that the file uses:
type, properties, required, additionalProperties, items, enum, const, minimum, and references to $defs; another keyword
is an error, so that a rule cannot be overlooked.

    python3 -m harness.schema RESULTS.json      (in bench/)"""
import json
import os
import sys

SCHEMA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "results.schema.json")
PLAIN = {"$schema", "$defs", "title", "description"}
KNOWN = PLAIN | {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "minimum", "$ref"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in ("number", "integer"):
        return isinstance(value, (int, float) if name == "number" else int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def errors(value, schema, root, path="$"):
    """Yields a line for each rule that the value breaks."""
    unknown = set(schema) - KNOWN
    if unknown:
        raise ValueError("the schema uses %s, which is not known here" % ", ".join(sorted(unknown)))
    if "$ref" in schema:
        yield from errors(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, path)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, name) for name in types):
        yield "%s is not of type %s" % (path, " or ".join(types))
        return
    if "enum" in schema and value not in schema["enum"]:
        yield "%s is not one of %s" % (path, schema["enum"])
    if "const" in schema and value != schema["const"]:
        yield "%s is not %r" % (path, schema["const"])
    if "minimum" in schema and is_type(value, "number") and value < schema["minimum"]:
        yield "%s is below %s" % (path, schema["minimum"])
    if isinstance(value, dict):
        yield from object_errors(value, schema, root, path)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from errors(item, schema["items"], root, "%s[%d]" % (path, i))


def object_errors(value, schema, root, path):
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", []):
        if name not in value:
            yield "%s lacks %s" % (path, name)
    for name, item in value.items():
        if name in properties:
            yield from errors(item, properties[name], root, "%s.%s" % (path, name))
        elif more is False:
            yield "%s has %s, which the schema does not name" % (path, name)
        elif isinstance(more, dict):
            yield from errors(item, more, root, "%s.%s" % (path, name))


def check(value):
    """The list of what is wrong with a value that should be a results.json."""
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    return list(errors(value, schema, schema))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as results:
        wrong = check(json.load(results))
    print("\n".join(wrong) if wrong else "valid")
    sys.exit(1 if wrong else 0)
