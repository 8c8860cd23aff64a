KINDS = ("topology", "policy", "placement")


def schema_text(kind: str) -> str:
    return ""
