"""YAML as far as such a file needs it: plain data, and the line each value stands on."""

from __future__ import annotations

import re
from typing import Any

import yaml

from server.yamlfile.problem import FileError, Problem

MAX_BYTES = 1 << 20
_DEEPEST = 20

Path = tuple[str | int, ...]
Lines = dict[Path, int]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `no`, the tag of Norwegian, as false, and 12:30 as a number: 1.2 does not."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name for it
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag.rpartition(":")[2] in {"null", "int", "float"}
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        # A few of them can stand for a document without end.
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1
            raise _wrong(line, "aliases are not supported: write the value out")
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), "tTfF"
)


def parse(data: bytes) -> tuple[Any, Lines]:
    """(the value, the line of each part of it by its path).

    Raises:
        FileError: it is too large, not UTF-8, not YAML, repeats a key, or has aliases.
    """
    if len(data) > MAX_BYTES:
        # Not how large it is: whoever reads it stops here.
        raise _wrong(0, f"the file is over {MAX_BYTES >> 20} MiB, the most it may have")
    try:
        loader = _Loader(data.decode("utf-8-sig"))
        node = loader.get_single_node()
        lines: Lines = {}
        return (None if node is None else _value(loader, node, (), lines)), lines
    except UnicodeDecodeError as error:
        raise _wrong(0, f"the file is not UTF-8: {error.reason}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise _wrong(line, f"not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # PyYAML's own text may have several lines; a problem is one.
        said = " ".join(str(error).split())
        raise _wrong(0, f"not valid YAML: {said[:200]}") from error


def _value(loader: Any, node: Any, path: Path, lines: Lines) -> Any:
    line = node.start_mark.line + 1
    lines[path] = line
    if len(path) > _DEEPEST:
        raise _wrong(line, f"nested more than {_DEEPEST} deep")
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, each, (*path, i), lines) for i, each in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    out: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        here = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise _wrong(here, f"the key {key!r} is not text: write it in quotes")
        if key in out:
            raise _wrong(here, f"the key {key!r} is there twice")
        out[key] = _value(loader, value_node, (*path, key), lines)
        lines[(*path, key)] = here
    return out


def _wrong(line: int, text: str) -> FileError:
    return FileError([Problem(place="", line=line, text=text)])
