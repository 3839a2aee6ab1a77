"""Answers of the API held against its OpenAPI document: a small validator of the schemas that the document uses."""
import re

JSON = "application/json"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_of(value, kind):
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


def faults(document, schema, value, at="$"):
    """Where and why a value is not what a schema says; an object may have no member that the schema does not know."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return faults(document, document["components"]["schemas"][name], value, at)
    if "allOf" in schema:
        # A flattened struct: its members are those of all parts.
        merged = {"type": "object", "properties": {}, "required": []}
        for part in schema["allOf"]:
            part = resolved(document, part)
            merged["properties"].update(part.get("properties", {}))
            merged["required"] += part.get("required", [])
        return faults(document, merged, value, at)
    for word in ("oneOf", "anyOf"):
        if word in schema:
            tried = [faults(document, one, value, at) for one in schema[word]]
            return [] if any(not t for t in tried) else min(tried, key=len)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_of(value, kind) for kind in kinds):
        return [f"{at}: {type(value).__name__} where {' or '.join(kinds)} is said"]
    found = []
    if isinstance(value, int) and "minimum" in schema and value < schema["minimum"]:
        found.append(f"{at}: {value} is below {schema['minimum']}")
    if isinstance(value, dict) and "object" in kinds:
        known = schema.get("properties", {})
        found += [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
        more = schema.get("additionalProperties")
        for name, item in value.items():
            if name in known:
                found += faults(document, known[name], item, f"{at}.{name}")
            elif isinstance(more, dict):
                found += faults(document, more, item, f"{at}.{name}")
            elif known and not more:
                found.append(f"{at}.{name} is not in the document")
    if isinstance(value, list) and "items" in schema:
        for n, item in enumerate(value):
            found += faults(document, schema["items"], item, f"{at}[{n}]")
    return found


def resolved(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "allOf" in schema:
        parts = [resolved(document, part) for part in schema["allOf"]]
        properties = {name: of for part in parts for name, of in part.get("properties", {}).items()}
        return {"type": "object", "properties": properties, "required": [name for part in parts for name in part.get("required", [])]}
    return schema


def routes(document):
    """Every route: (method, path, what the document says of it)."""
    return [(method.upper(), path, route) for path, methods in document["paths"].items() for method, route in methods.items()]


def answer_faults(document, route, status, media, body):
    """Why an answer is not one that the document names for the route; `body` as read from JSON, where it is JSON."""
    said = route["responses"].get(str(status))
    if said is None:
        return [f"status {status} is not in the document"]
    content = said.get("content", {})
    if not content:
        return []
    media = re.sub(";.*", "", media or "")
    if media not in content:
        return [f"{media} is not in the document: {', '.join(content)}"]
    return faults(document, content[media]["schema"], body) if media == JSON else []
