"""A stand-in for the Hugging Face Hub: as much of its API as its own client needs.

Model info, tree, resolve (git and LFS files, the latter redirected to another host), preupload,
LFS batch, upload and verify, commit, and creation of repositories.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_good"
_LARGE = (".safetensors", ".png")


@dataclass
class Commit:
    sha: str
    files: dict[str, bytes]
    message: str


@dataclass
class Repo:
    commits: list[Commit] = field(default_factory=list)
    private: bool = False
    # What the listing says of a file instead of the truth: {"size", "sha256"}.
    lies: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        if revision == "main":
            return self.head
        return next((c for c in self.commits if c.sha == revision), None)

    def commit(self, files: dict[str, bytes], message: str = "") -> Commit:
        seed = f"{len(self.commits)}{message}{sorted(files)}".encode()
        made = Commit(hashlib.sha1(seed).hexdigest(), files, message)
        self.commits.append(made)
        return made


@dataclass
class Hub:
    """The stand-in's state, for tests to arrange and to look at."""

    url: str
    cdn: str
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    # (method, path, whether with a token)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)

    def add(self, name: str, files: dict[str, bytes]) -> Repo:
        self.repos[name] = repo = Repo()
        repo.commit({".gitattributes": b"*.safetensors filter=lfs\n", **files}, "initial commit")
        return repo


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._route("GET")

    def do_HEAD(self) -> None:
        self._route("HEAD")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def _route(self, method: str) -> None:  # noqa: C901  # a table of routes
        self._query = parse_qs(urlsplit(self.path).query)
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._token = self.headers.get("Authorization")
        self.hub.asked.append((method, self.path, self._token is not None))
        match [method, *parts]:
            case ["POST", "api", "repos", "create"]:
                self._create()
            case ["POST", "api", "validate-yaml"]:
                self._validate()
            case ["GET", "api", "models", owner, name]:
                self._info(f"{owner}/{name}", "main")
            case ["GET", "api", "models", owner, name, "revision", revision]:
                self._info(f"{owner}/{name}", revision)
            case ["GET", "api", "models", owner, name, "tree", revision, *_]:
                self._tree(f"{owner}/{name}", revision)
            case ["POST", "api", "models", owner, name, "preupload", _]:
                self._preupload(f"{owner}/{name}")
            case ["POST", "api", "models", owner, name, "commit", _]:
                self._commit(f"{owner}/{name}")
            case ["POST", owner, name, "info", "lfs", "objects", "batch"]:
                self._batch(f"{owner}/{name.removesuffix('.git')}")
            case ["PUT", "upload", oid]:
                self._upload(oid)
            case ["POST", "verify"]:
                found = json.loads(self._body)
                stored = self.hub.objects.get(found["oid"])
                self._send(200 if stored and len(stored) == found["size"] else 404, {})
            case ["GET" | "HEAD", "cdn", oid]:
                self._file(self.hub.objects[oid], {})
            case ["GET" | "HEAD", owner, name, "resolve", revision, *path]:
                self._resolve(f"{owner}/{name}", revision, "/".join(path))
            case _:
                self._send(404, {"error": f"no such route: {self.path}"})

    def _repo(self, name: str, *, write: bool = False) -> Repo | None:
        repo = self.hub.repos.get(name)
        allowed = self._token == f"Bearer {TOKEN}"
        if repo is None or (repo.private and not allowed):
            self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        if write and not allowed:
            self._send(403, {"error": "no"}, {"X-Error-Message": "no right to write"})
            return None
        return repo

    def _at(self, name: str, revision: str) -> tuple[Repo, Commit] | None:
        repo = self._repo(name)
        if repo is None:
            return None
        commit = repo.at(revision)
        if commit is None:
            self._send(404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repo, commit

    def _info(self, name: str, revision: str) -> None:
        if (found := self._at(name, revision)) is None:
            return
        repo, commit = found
        siblings = []
        for path, data in commit.files.items():
            row: dict[str, Any] = {"rfilename": path}
            if "blobs" in self._query:
                lie = repo.lies.get(path, {})
                size = lie.get("size", len(data))
                row |= {"size": size, "blobId": git_sha1(data)}
                if path.endswith(_LARGE):
                    digest = lie.get("sha256", hashlib.sha256(data).hexdigest())
                    row["lfs"] = {"size": size, "sha256": digest, "pointerSize": 130}
            siblings.append(row)
        self._send(
            200, {"id": name, "sha": commit.sha, "private": repo.private, "siblings": siblings}
        )

    def _tree(self, name: str, revision: str) -> None:
        if (found := self._at(name, revision)) is None:
            return
        rows = []
        for path, data in found[1].files.items():
            row = {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data)}
            if path.endswith(_LARGE):
                oid = hashlib.sha256(data).hexdigest()
                row["lfs"] = {"oid": oid, "size": len(data), "pointerSize": 130}
            rows.append(row)
        self._send(200, rows)

    def _resolve(self, name: str, revision: str, path: str) -> None:
        if (found := self._at(name, revision)) is None:
            return
        commit = found[1]
        data = commit.files.get(path)
        if data is None:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit.sha}
            self._send(404, {"error": "Entry not found"}, headers)
            return
        if not path.endswith(_LARGE):
            self._file(data, {"ETag": f'"{git_sha1(data)}"', "X-Repo-Commit": commit.sha})
            return
        oid = hashlib.sha256(data).hexdigest()
        self.hub.objects.setdefault(oid, data)
        self._send(
            302,
            {},
            {
                "Location": f"{self.hub.cdn}/cdn/{oid}",
                "X-Repo-Commit": commit.sha,
                "X-Linked-Etag": f'"{oid}"',
                "X-Linked-Size": str(len(data)),
            },
        )

    def _file(self, data: bytes, headers: dict[str, str]) -> None:
        status, wanted = 200, self.headers.get("Range")
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            status, data = 206, data[start:]
        self._bytes(status, data, {"Content-Type": "application/octet-stream", **headers})

    def _create(self) -> None:
        asked = json.loads(self._body)
        if self._token != f"Bearer {TOKEN}":
            self._send(401, {"error": "Invalid username or password."})
            return
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repos:
            self._send(409, {"error": "You already created this repo", "url": name})
            return
        self.hub.add(name, {}).private = asked.get("visibility") == "private"
        self._send(200, {"url": f"{self.hub.url}/{name}", "name": name, "id": name})

    def _validate(self) -> None:
        content = json.loads(self._body)["content"]
        found = yaml.safe_load(content.split("---")[1])
        errors = [] if "license" in found else [{"message": '"license" is required'}]
        self._send(400 if errors else 200, {"errors": errors, "warnings": []})

    def _preupload(self, name: str) -> None:
        repo = self._repo(name, write=True)
        if repo is None:
            return
        files = []
        for file in json.loads(self._body)["files"]:
            large = file["path"].endswith(_LARGE)
            there = repo.head.files.get(file["path"])
            oid = None
            if there is not None:
                oid = hashlib.sha256(there).hexdigest() if large else git_sha1(there)
            mode = "lfs" if large else "regular"
            files.append(
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        self._send(200, {"files": files})

    def _batch(self, name: str) -> None:
        if self._repo(name, write=True) is None:
            return
        objects = []
        for wanted in json.loads(self._body)["objects"]:
            row = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.objects:
                row["actions"] = {
                    "upload": {"href": f"{self.hub.url}/upload/{wanted['oid']}"},
                    "verify": {"href": f"{self.hub.url}/verify"},
                }
            objects.append(row)
        self._send(200, {"transfer": "basic", "objects": objects})

    def _upload(self, oid: str) -> None:
        good = hashlib.sha256(self._body).hexdigest() == oid
        if good:
            self.hub.objects[oid] = self._body
        self._send(200 if good else 400, {})

    def _commit(self, name: str) -> None:
        repo = self._repo(name, write=True)
        if repo is None:
            return
        header, *operations = [json.loads(line) for line in self._body.splitlines()]
        parent = header["value"].get("parentCommit")
        if parent is not None and parent != repo.head.sha:
            self._send(412, {"error": "A commit has happened since. Please refresh and try again."})
            return
        files = dict(repo.head.files)
        for operation in operations:
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.objects[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        made = repo.commit(files, header["value"]["summary"])
        url = f"{self.hub.url}/{name}/commit/{made.sha}"
        self._send(200, {"commitUrl": url, "commitOid": made.sha})

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self._bytes(status, data, {"Content-Type": "application/json", **(headers or {})})

    def _bytes(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def hub_server() -> Iterator[Hub]:
    """The stand-in on a free port; the same server is its CDN, under another host's name."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        port = listening.server_address[1]
        hub = Hub(f"http://127.0.0.1:{port}", f"http://localhost:{port}")
        handler.hub = hub  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            listening.shutdown()
            thread.join()
