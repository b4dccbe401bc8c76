"""The API's description: an OpenAPI 3.1 document made of the questions."""

from typing import Any

import headless
from headless.inventory.questions import PAGE_LIMIT, QUESTIONS, Column, Parameter, Question

__all__ = ["build_openapi"]

NUMBER = {"type": "integer"}
KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": NUMBER,
    "flag": {"type": "string", "enum": ["true"]},
    "time": {"type": "integer", "description": "seconds since the epoch, UTC"},
    "date": {"type": "string", "description": "RFC 3339, or a day, which means its last second, UTC"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "versions": {
        "type": "object",
        "additionalProperties": NUMBER,
        "description": "for each version the hosts that have it; the empty one stands for none",
    },
}
ERRORS = {
    "400": "a parameter is not known, wrong, missing, or names nothing that the asker may see",
    "401": "a token or a client certificate that is known here is needed",
    "403": "the asker may see no site",
    "503": "try again later",
}


def build_openapi(prefix: str) -> dict[str, Any]:
    """Describe the API.

    Args:
        prefix: of the questions' paths.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "headless inventory",
            "version": headless.__version__,
            "description": "What is installed where, since when.",
        },
        "paths": {f"{prefix}/{question.name}": _describe(question) for question in QUESTIONS.values()},
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "certificate": {"type": "mutualTLS"},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string", "description": "one line"}},
                }
            },
        },
        "security": [{"token": []}, {"certificate": []}],
    }


def _describe(question: Question) -> dict[str, Any]:
    method = "post" if question.body else "get"
    operation: dict[str, Any] = {
        "operationId": question.name,
        "summary": question.help,
        "parameters": [*map(_describe_parameter, question.parameters), *PAGES],
        "responses": {"200": _describe_answer(question)} | {code: _refuse(text) for code, text in ERRORS.items()},
    }
    if question.body:
        content = {"application/toml": {"schema": {"type": "string"}}}
        operation["requestBody"] = {"required": False, "description": question.body, "content": content}
    return {method: operation}


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.help,
        "required": parameter.is_argument,
        "schema": KINDS[parameter.kind],
    }


def _describe_answer(question: Question) -> dict[str, Any]:
    names = [column.name for column in question.columns]
    row = {"type": "object", "required": names, "properties": dict(map(_describe_column, question.columns))}
    page = {
        "type": "object",
        "required": ["rows", "next"],
        "properties": {
            "rows": {"type": "array", "items": row},
            "next": {
                "type": ["string", "null"],
                "description": "for 'after'; null: there is no next page",
            },
            "notes": {
                "type": "array",
                "items": {"type": "string"},
                "description": "lines for people, such as why there are no rows; left out if there is none",
            },
            "summary": {"type": "object", "description": "of the whole answer, where the question has one"},
        },
    }
    return {"description": "a page of the answer", "content": {"application/json": {"schema": page}}}


def _describe_column(column: Column) -> tuple[str, dict[str, Any]]:
    kind = KINDS[column.kind]
    return column.name, {**kind, "type": [kind["type"], "null"]} if column.is_optional else kind


def _refuse(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


PAGES = (
    {
        "name": "limit",
        "in": "query",
        "description": "how many rows at most; a page may be a little longer, for the rows of a host are not divided",
        "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT},
    },
    {"name": "after", "in": "query", "description": "'next' of the page before", "schema": {"type": "string"}},
)
