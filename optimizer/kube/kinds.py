"""Kinds of objects, and where an API server keeps them."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import Struct

from ..errors import InternalError


class Kind(Struct, frozen=True):
    """A kind of objects; `group` is "" for the core of Kubernetes, `page` the number of objects in a page of a list."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = False
    page: int = 500

    @property
    def api_version(self) -> str:
        """As objects name it.

        >>> NODE.api_version, DAEMONSET.api_version
        ('v1', 'apps/v1')
        """
        return f"{self.group}/{self.version}".removeprefix("/")

    @property
    def resource(self) -> str:
        """As kubectl takes it.

        >>> NODE.resource, DAEMONSET.resource
        ('nodes', 'daemonsets.apps')
        """
        return f"{self.plural}.{self.group}".removesuffix(".")


NODE = Kind("Node", "", "v1", "nodes")
POD = Kind("Pod", "", "v1", "pods", namespaced=True)
LIMIT_RANGE = Kind("LimitRange", "", "v1", "limitranges", namespaced=True)
DAEMONSET = Kind("DaemonSet", "apps", "v1", "daemonsets", namespaced=True)
DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments", namespaced=True)
CONTROLLER_REVISION = Kind("ControllerRevision", "apps", "v1", "controllerrevisions", namespaced=True)


class Ref(Struct, frozen=True):
    """An object; without a name all objects of the kind, in the namespace or (empty) in all."""

    kind: Kind
    namespace: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        """Where an API server keeps it.

        >>> Ref(POD, "kube-system", "dns-1").path
        '/api/v1/namespaces/kube-system/pods/dns-1'
        >>> Ref(DAEMONSET).path
        '/apis/apps/v1/daemonsets'
        """
        kind = self.kind
        if kind.namespaced and self.name and not self.namespace:
            raise InternalError(f"{kind.name} {self.name}: its namespace is not said")
        api = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        within = f"/namespaces/{quote(self.namespace, safe='')}" if kind.namespaced and self.namespace else ""
        return f"{api}{within}/{kind.plural}" + (f"/{quote(self.name, safe='')}" if self.name else "")

    def __str__(self) -> str:
        """In words.

        >>> str(Ref(POD, "kube-system", "dns-1")), str(Ref(DAEMONSET)), str(Ref(POD, "a"))
        ('Pod kube-system/dns-1', 'all daemonsets', 'pods in a')
        """
        within = self.namespace if self.kind.namespaced else ""
        if not self.name:
            return f"{self.kind.plural} in {within}" if within else f"all {self.kind.plural}"
        return f"{self.kind.name} {within}/{self.name}" if within else f"{self.kind.name} {self.name}"
