"""A small API server whose objects can be changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from optimizer.errors import InternalError
from optimizer.kube.patches import json_patch
from tests.live_server import PLURALS, Answer, Request, Server, failure
from tests.objects import Object


class Store(Server):
    """Objects that can be changed. Before each change one of `meanwhile` does something of its own."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.meanwhile: deque[Callable[[], object]] = deque()

    def find(self, kind: str, name: str) -> Object:
        """An object; KeyError where there is none."""
        for each in self.objects:
            if (each["kind"], each["metadata"]["name"]) == (kind, name):
                return each
        raise KeyError(name)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.method != "GET" and self.meanwhile:
            self.meanwhile.popleft()()
        if self.ordered and (ordered := self.ordered.popleft()):
            return ordered
        *_, plural, name = request.path.split("/")
        if request.method == "POST":
            return self.created(request.body)
        kind = PLURALS[plural]
        try:
            found = self.find(kind, name)
        except KeyError:
            return failure(404, f"{plural} {name} not found")
        if request.method == "PATCH":
            try:
                patched = json_patch(found, request.body)
            except InternalError:
                return failure(422, "the server rejected our request due to an error in our request")
            found.clear()
            found.update(patched)
        elif request.method == "DELETE":
            wanted = request.body.get("preconditions", {}).get("uid")
            if wanted not in (None, found["metadata"].get("uid")):
                return failure(409, "the UID in the precondition does not match")
            self.objects.remove(found)
        return Answer(200, found)

    def created(self, body: Object) -> Answer:
        """The answer to a request to create."""
        if any(
            (each["kind"], each["metadata"]["name"]) == (body["kind"], body["metadata"]["name"])
            for each in self.objects
        ):
            return failure(409, "already exists")
        self.objects.append(body)
        return Answer(201, body)

    def changes(self) -> list[str]:
        """What was asked for besides reading."""
        return [each.method for each in self.requests if each.method != "GET"]
