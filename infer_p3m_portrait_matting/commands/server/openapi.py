"""Describe the server's API in the form of OpenAPI 3.1."""

from typing import Any

from ...p3m.errors import printable
from ...p3m.version import __version__
from ...pipeline.parameters import Parameter
from .offer import Offer, type_of

#: Status of an error -> when it is answered.
_ERRORS = {
    400: "The request is wrong, such as a parameter that is unknown or out of range.",
    403: "The request comes from a page of another origin.",
    408: "The photo arrived too slowly.",
    413: "The photo has too many bytes or pixels.",
    415: "The body is not a photo in a format that is read.",
    422: "The photo is damaged, or shows nothing that the parameters ask for.",
    503: "The server is busy, too slow for this photo, out of memory, or stopping. Retry-After gives seconds.",
}


def openapi(offer: Offer) -> dict[str, Any]:
    """Return the description as JSON.

    Args:
        offer: the parameters of a request.
    """
    error = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "description": "One sentence."}},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "p3m serve",
            "summary": "Portrait matting with P3M-Net",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/api/matte": {
                "post": {
                    "summary": "Matte a photo",
                    "operationId": "matte",
                    "parameters": [_parameter(name, parameter) for name, parameter in offer.parameters.items()],
                    "requestBody": {
                        "required": True,
                        "description": "The bytes of an image file, not a form.",
                        "content": {"image/*": {}, "application/octet-stream": {}},
                    },
                    "responses": {
                        "200": {
                            "description": "The picture.",
                            "content": {"image/png": {}},
                            "headers": {
                                "P3M-Warnings": {
                                    "description": "What to check in the result: an array of sentences, as JSON.",
                                    "content": {"application/json": {"schema": {"type": "array"}}},
                                }
                            },
                        },
                        **{
                            str(status): {
                                "description": words,
                                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                            }
                            for status, words in _ERRORS.items()
                        },
                    },
                }
            },
            "/api/health": {"get": _get("health", "Tell the version, the models and how many requests wait")},
            "/api/parameters": {"get": _get("parameters", "Describe the parameters of /api/matte")},
        },
        "components": {"schemas": {"Error": error}},
    }


def _get(name: str, summary: str) -> dict[str, Any]:
    answer = {"description": "An object.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {"summary": summary, "operationId": name, "responses": {"200": answer}}


def _parameter(name: str, parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": type_of(parameter), "default": parameter.default}
    if parameter.choices and not parameter.other:
        schema["enum"] = list(parameter.choices)
    if schema["type"] in ("integer", "number"):
        schema |= {"minimum": parameter.low, "maximum": parameter.high}
    return {"name": name, "in": "query", "description": printable(parameter.description()), "schema": schema}
